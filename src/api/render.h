#ifndef HOLDFAST_API_RENDER_H
#define HOLDFAST_API_RENDER_H

/* The public resources as JSON: one function each, so that a resource looks the same wherever it is answered. Pure;
 * any thread. */

#include "base/json_writer.h"
#include "store/store.h"

#define ORDER_PAYMENTS_SHOWN 100

/* A creation is answered without payments; everywhere else they are shown. */
enum order_payments { WITHOUT_PAYMENTS, WITH_PAYMENTS };

void render_id_field(struct json_writer *json, const char *key, struct uuid id);
void render_order(struct json_writer *json, const struct order *order, enum order_payments payments);
void render_payment(struct json_writer *json, const struct payment *payment);
void render_product(struct json_writer *json, const struct product *product);
void render_variant(struct json_writer *json, const struct variant *variant);
void render_stock(struct json_writer *json, const struct variant *variant);
/* stock_quantity, reserved_quantity and available_quantity alone, into an open object. */
void render_quantities(struct json_writer *json, const struct stock_level *level);
void render_movement(struct json_writer *json, const struct movement *movement, struct text sku);
void render_reservation(struct json_writer *json, const struct reservation_row *row);
void render_event(struct json_writer *json, const struct event_row *row);

#endif
