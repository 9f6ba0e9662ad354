// The cases of job_bench with BullMQ. Usage: node bench.mjs CASE redis://... | postgresql://... [JOBS]
// The database is its own: what is in it is deleted. Prints one JSON line.
import { createRequire } from "node:module";

// As CommonJS, the form that finds its drivers by itself.
const require = createRequire(import.meta.url);
const { Queue, Worker, createPostgresBackend } = require("bullmq");

const [name, url, jobsArgument] = process.argv.slice(2);
const isRedis = url.startsWith("redis:");
const COMMAND_JOBS = 1000;
const IN_FLIGHT = 4;
const CONCURRENCY = Number(process.env.BULLMQ_CONCURRENCY ?? 500);
const IDLE_GAP_MS = 50;
const DELAY_MS = 100;
const SCHEMA = "bullmq_bench";
const DATA = { order: "01890a5d-ac96-774b-bcce-b302099a8057" };

const now = () => performance.timeOrigin + performance.now();
const sleepUntil = (at) => new Promise((resolve) => setTimeout(resolve, at - now()));

const options = isRedis
    ? { connection: { host: new URL(url).hostname, port: Number(new URL(url).port), maxRetriesPerRequest: null } }
    : { connection: { connectionString: url, schema: SCHEMA, migrate: true } };
const backend = isRedis ? [] : [createPostgresBackend];

async function database() {
    if (isRedis) {
        const Redis = require("ioredis");
        const redis = new Redis(options.connection);
        await redis.flushall();
        const used = async () => Number((await redis.info("memory")).match(/used_memory:(\d+)/)[1]);
        return { bytes: used, close: () => redis.quit() };
    }
    const { Client } = require("pg");
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query(`SET client_min_messages = warning; DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE; CHECKPOINT`);
    const bytes = async () => {
        const { rows } = await client.query(
            `SELECT coalesce(sum(pg_total_relation_size(oid)), 0) AS bytes FROM pg_class
             WHERE relnamespace = '${SCHEMA}'::regnamespace AND relkind = 'r'`);
        return Number(rows[0].bytes);
    };
    return { bytes, close: () => client.end() };
}

// delayOf(i): from now on, asked as the job is added. Seconds that it took.
async function enqueueAll(queue, jobs, delayOf) {
    let next = 0;
    const started = now();
    const lane = async () => {
        while (next < jobs) {
            const first = next;
            next = Math.min(next + COMMAND_JOBS, jobs);
            const batch = [];
            for (let i = first; i < next; i++) {
                batch.push({ name: "nothing", data: DATA, opts: { delay: delayOf(i), attempts: 3 } });
            }
            await queue.addBulk(batch);
        }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    return (now() - started) / 1000;
}

const late = [];
function startWorker() {
    return new Worker("bench", async (job) => {
        late.push(now() - (job.timestamp + job.opts.delay));
    }, { ...options, concurrency: CONCURRENCY }, ...backend);
}

async function waitLate(count) {
    const patience = now() + 300000;
    while (late.length < count) {
        if (now() > patience) {
            throw new Error(`only ${late.length} of ${count} jobs were started`);
        }
        await sleepUntil(now() + 5);
    }
}

function lateness() {
    late.sort((a, b) => a - b);
    const at = (share) => Number(late[Math.min(Math.floor(late.length * share), late.length - 1)].toFixed(1));
    return { jobs: late.length, p50_ms: at(0.5), p99_ms: at(0.99), last_ms: at(1) };
}

const cases = {
    async enqueue(queue, base) {
        const jobs = Number(jobsArgument ?? 100000);
        const empty = await base.bytes();
        const seconds = await enqueueAll(queue, jobs, (i) => 3600000 + i);
        const bytes = Math.round((await base.bytes() - empty) / jobs);
        return { jobs, per_second: Math.round(jobs / seconds), bytes };
    },
    async due(queue) {
        const jobs = Number(jobsArgument ?? 10000);
        const worker = startWorker();
        await worker.waitUntilReady();
        const due = now() + 2000 + jobs / 10;
        await enqueueAll(queue, jobs, () => Math.round(due - now()));
        if (now() + 500 > due) {
            throw new Error("enqueuing took too long: the jobs are due already");
        }
        await waitLate(jobs);
        await worker.close();
        return lateness();
    },
    async idle(queue) {
        const jobs = Number(jobsArgument ?? 200);
        const worker = startWorker();
        await worker.waitUntilReady();
        const begin = now() + 500;
        for (let i = 0; i < jobs; i++) {
            await sleepUntil(begin + i * IDLE_GAP_MS);
            await queue.add("nothing", DATA, { delay: DELAY_MS });
        }
        await waitLate(jobs);
        await worker.close();
        return lateness();
    },
};

const base = await database();
const queue = new Queue("bench", options, ...backend);
await queue.waitUntilReady();
const figures = await cases[name](queue, base);
await queue.close();
await base.close();
console.log(JSON.stringify({ case: name, system: "bullmq", store: isRedis ? "redis" : "postgres", workers: 1, ...figures }));
process.exit(0);
