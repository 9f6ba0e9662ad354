/* Holds every answer of the server against docs/api/openapi.json: the status must be declared for the operation, the
 * content type with it, and the body must match the schema. Published schemas are open, so that answers may gain
 * fields; here they are closed, so that a field that the document does not name fails the scenario. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';

/* Debian's packages live in /usr/share/nodejs, which a Node from elsewhere does not search. */
process.env.NODE_PATH = [process.env.NODE_PATH, '/usr/share/nodejs'].filter(Boolean).join(':');
Module._initPaths();
const Ajv = createRequire('/usr/share/nodejs/')('/usr/share/nodejs/ajv');

const document = JSON.parse(readFileSync(new URL('../../../docs/api/openapi.json', import.meta.url), 'utf8'));

function resolve(node) {
  let current = node;
  while (current?.$ref !== undefined) {
    current = current.$ref
      .slice(2)
      .split('/')
      .reduce((inner, name) => inner[name], document);
  }
  return current;
}

function propertyNames(schema) {
  const branch = resolve(schema);
  return [...Object.keys(branch.properties ?? {}), ...(branch.allOf ?? []).flatMap(propertyNames)];
}

/* A copy of the schema, with references resolved and objects closed unless they say otherwise. */
function close(schema, isBranch = false) {
  if (Array.isArray(schema)) {
    return schema.map((inner) => close(inner));
  }
  if (schema === null || typeof schema !== 'object') {
    return schema;
  }
  const source = resolve(schema);
  const copy = {};
  for (const [key, value] of Object.entries(source)) {
    if (key === 'properties') {
      copy.properties = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, close(inner)]));
    } else if (['allOf', 'anyOf', 'oneOf'].includes(key)) {
      copy[key] = value.map((branch) =>
        close(branch, key === 'allOf' || source.properties !== undefined || source.additionalProperties !== undefined),
      );
    } else if (['enum', 'const', 'default', 'required'].includes(key)) {
      copy[key] = value;
    } else if (!['description', 'example', 'examples'].includes(key)) {
      copy[key] = close(value);
    }
  }
  const isObject = source.properties !== undefined || source.allOf !== undefined;
  if (!isBranch && isObject && source.additionalProperties === undefined) {
    copy.propertyNames = { enum: [...new Set(propertyNames(source))] };
  }
  return copy;
}

const ajv = new Ajv({ unknownFormats: ['int64'], jsonPointers: true, logger: false });
const compiled = new Map();

/* What is wrong with a value, in words; null where nothing is. */
export function mismatch(schema, closed, value) {
  const key = closed ? schema : JSON.stringify(schema);
  if (!compiled.has(key)) {
    compiled.set(key, ajv.compile(closed ? close(schema) : { ...schema, components: document.components }));
  }
  const validate = compiled.get(key);
  return validate(value) ? null : ajv.errorsText(validate.errors, { dataVar: 'body', separator: '\n  ' });
}

const operations = Object.entries(document.paths).flatMap(([template, item]) => {
  const pattern = new RegExp(`^${template.replace(/[.]/g, '\\.').replace(/\{[^}]+\}/g, '[^/]+')}$`);
  return ['get', 'post', 'patch', 'delete']
    .filter((method) => item[method] !== undefined)
    .map((method) => ({ template, method, pattern, isTemplated: template.includes('{'), ...item[method] }));
});

/* Concrete paths win over templated ones, as OpenAPI has it. */
function findOperation(method, path) {
  const matches = operations.filter((operation) => operation.method === method && operation.pattern.test(path));
  return matches.find((operation) => !operation.isTemplated) ?? matches[0];
}

let checkedCount = 0;
export const checkedResponses = () => checkedCount;

function checkBody(where, response, contentType, body) {
  const declared = Object.keys(response.content ?? {});
  const mediaType = (contentType ?? '').split(';')[0];
  assert.ok(declared.includes(mediaType), `${where}: content type ${contentType}, declared: ${declared.join(', ')}`);
  if (mediaType.endsWith('json')) {
    const errors = mismatch(response.content[mediaType].schema, true, body);
    assert.equal(
      errors,
      null,
      `${where} is not what openapi.json says:\n  ${errors}\n${JSON.stringify(body, null, 2)}`,
    );
  }
}

/* `answer`: {status, headers, text, body}, as the client returns it; `requestBody`: undefined where nothing was sent. */
export function checkResponse(method, target, requestBody, answer) {
  const path = target.split('?')[0];
  const where = `${method} ${target} -> ${answer.status}`;
  assert.ok(answer.headers['x-request-id'], `${where} has no X-Request-Id`);
  if (method === 'HEAD') {
    assert.equal(answer.text, '', `${where} has a body`);
    return;
  }
  checkedCount += 1;
  const operation = findOperation(method.toLowerCase(), path);
  const fallback = { content: resolve({ $ref: '#/components/responses/HttpProblem' }).content };
  const declared = operation?.responses[answer.status];
  const response = resolve(declared ?? operation?.responses.default) ?? fallback;
  if (response.content !== undefined) {
    checkBody(where, response, answer.headers['content-type'], answer.body);
  } else {
    assert.equal(answer.text, '', `${where} has a body`);
  }
  if (answer.headers.etag !== undefined && answer.body?.version !== undefined && answer.status < 300) {
    assert.equal(answer.headers.etag, `"${answer.body.version}"`, `${where}: the ETag is not the version`);
  }
  if (answer.status >= 400) {
    assert.equal(answer.body.status, answer.status, `${where}: the problem's status differs`);
    assert.equal(answer.body.type, `urn:holdfast:problem:${answer.body.code}`, `${where}: type and code differ`);
  }
  const isRefusedInPart = answer.body?.results?.some((result) => result.status !== 201);
  if (answer.status < 300 && !isRefusedInPart && requestBody !== undefined && operation?.requestBody !== undefined) {
    const schema = operation.requestBody.content['application/json'].schema;
    const errors = mismatch(schema, false, requestBody);
    assert.equal(errors, null, `${where} accepted what openapi.json says it refuses:\n  ${errors}`);
  }
}
