#ifndef HOLDFAST_API_RESOURCES_H
#define HOLDFAST_API_RESOURCES_H

/* What answers the routes, one file a resource. */

struct call;

/* products.c */
extern const char *const PRODUCT_LIST_PARAMETERS[];
void product_create_handle(struct call *call);
void product_list_handle(struct call *call);
void product_get_handle(struct call *call);
void product_update_handle(struct call *call);
void variant_get_handle(struct call *call);
void variant_update_handle(struct call *call);

/* stock.c */
extern const char *const MOVEMENT_LIST_PARAMETERS[];
void stock_get_handle(struct call *call);
void stock_adjust_handle(struct call *call);
void movement_list_handle(struct call *call);

/* orders.c */
extern const char *const ORDER_LIST_PARAMETERS[];
void order_place_handle(struct call *call);
void order_list_handle(struct call *call);
void order_get_handle(struct call *call);
void order_pay_handle(struct call *call);
void order_cancel_handle(struct call *call);
void order_extend_handle(struct call *call);

/* orders_batch.c */
void order_batch_handle(struct call *call);

/* reservations.c */
extern const char *const RESERVATION_LIST_PARAMETERS[];
void reservation_list_handle(struct call *call);

/* events.c */
extern const char *const EVENT_LIST_PARAMETERS[];
extern const char *const EVENT_STREAM_PARAMETERS[];
extern const char *const ORDER_EVENT_LIST_PARAMETERS[];
void event_list_handle(struct call *call);
void event_stream_handle(struct call *call);
void order_event_list_handle(struct call *call);

/* jobs.c */
extern const char *const JOB_LIST_PARAMETERS[];
void job_list_handle(struct call *call);
void job_get_handle(struct call *call);
void job_retry_handle(struct call *call);
void job_cancel_handle(struct call *call);
void job_promote_handle(struct call *call);

/* queues.c */
void queue_list_handle(struct call *call);
void queue_update_handle(struct call *call);
void queue_pause_handle(struct call *call);
void queue_resume_handle(struct call *call);
void schedule_list_handle(struct call *call);

/* webhook_endpoints.c */
extern const char *const ENDPOINT_LIST_PARAMETERS[];
void endpoint_create_handle(struct call *call);
void endpoint_list_handle(struct call *call);
void endpoint_get_handle(struct call *call);
void endpoint_update_handle(struct call *call);
void endpoint_delete_handle(struct call *call);
void endpoint_test_handle(struct call *call);
void endpoint_rotate_secret_handle(struct call *call);

/* webhook_deliveries.c */
extern const char *const DELIVERY_LIST_PARAMETERS[];
void delivery_list_handle(struct call *call);
void delivery_get_handle(struct call *call);
void delivery_redeliver_handle(struct call *call);

/* operations.c */
void health_handle(struct call *call);
void readiness_handle(struct call *call);
void metrics_handle(struct call *call);
void openapi_handle(struct call *call);

#endif
