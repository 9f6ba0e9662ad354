/* The words, the database, what servers and clients hold, and what a COMMIT does: included by holdfast.pml. */

/* ---- Words ---- */

#define NONE 0 /* no row, no answer, not recorded, not sent */
mtype:status = { DRAFT, PAID, CANCELLED, EXPIRED };
mtype:kind = { PLACE, PAY, CANCEL, EXTEND };
mtype:payment = { ACCEPTED, REFUND_DUE };
mtype:transaction = { SENT, COMMITTED, NOT_COMMITTED };
mtype = {
    PLACED,           /* or replayed */
    SHORT,            /* insufficient_stock */
    PAYMENT_ACCEPTED, /* order_paid */
    PAYMENT_REFUSED,  /* already_paid, paid_after_expiry, paid_after_cancel: a refund is due */
    REFERENCE_USED,   /* payment_reference_used */
    HOLD_CANCELLED,   /* order_cancelled */
    ALREADY_PAID,     /* order_already_paid */
    HOLD_EXTENDED,    /* order_extended */
    HOLD_OVER,        /* cancel_after_expiry; order_not_draft, of one past its deadline */
    NOT_DRAFT,        /* order_not_draft, of one that was paid or cancelled */
    NOT_FOUND,        /* order_not_found */
    NEEDS_SWEEP,      /* no answer: parked */
    LOCKED_OUT,       /* store_unavailable: somebody keeps a row of this command's locked */
    FAILED,           /* store_unavailable: of the whole batch nothing was written */
    UNKNOWN           /* outcome_unknown */
};

/* Never set, and no part of the state: a failed assertion is printed with the name of what it stands for. */
hidden byte I1, I2, I3, I4, I5, I6, I7, I8, I9, HOLD_ENDS_ONCE, NOT_SHORT_OF_WHAT_IS_OVER;

#define BIT(i) (1 << (i))
#define has(set, i) ((((set) >> (i)) & 1) == 1)
#define with(set, subset) ((set) | (subset))
#define without(set, subset) ((set) & (255 - (subset)))
#define size(set) (((set) & 1) + (((set) >> 1) & 1))

/* ---- The database ---- */

byte stock_quantity = STOCK;
byte reserved_quantity;
byte level_lock; /* 1 + the server that has the stock level locked; 0: none */
bit stale[SERVERS];

mtype:status status[ORDERS]; /* NONE: no such row */
byte order_lock[ORDERS];     /* 1 + the server; 0: none */
byte timeouts;               /* set of orders with a row in payment_timeouts */
byte deadline[ORDERS];       /* the time of that row: 0 the first, higher where it was extended */
byte keys;                   /* set of idempotency keys; order i is made under key i */
mtype:payment payment[REFERENCES];
byte payment_order[REFERENCES];

/* All that matters of the clock: whose deadline it has passed. Holds may be of any length, so any may be over first. */
byte over; /* set of orders */

/* Each server's one connection for writing, and the transaction on it whose COMMIT was sent. */
bit connected[SERVERS] = true;
mtype:transaction transaction[SERVERS];

#define due_now (timeouts & over)
#define drafts ((status[0] == DRAFT) + 2 * (status[1] == DRAFT))
#define sold ((status[0] == PAID) + (status[1] == PAID))
#define is_accepted(r, o) (payment[r] == ACCEPTED && payment_order[r] == (o))

/* ---- What a server has in hand ---- */

bit is_down[SERVERS];
byte queue[SERVERS]; /* set of commands */

typedef batch {
    byte taken;        /* set of commands, parked ones among them */
    byte wanted;       /* set of orders that they name */
    byte due;          /* set of orders whose timeout was due at the last look */
    byte deadline[ORDERS]; /* and when each was */
    bit locks_level;   /* LOAD_LOCKED, else LOAD_GUARDED, ... */
    bit skips_locked;  /* ... or LOAD_FREE */
    byte locked_out;   /* set of orders */
    bit level_locked_out;

    /* The facts: as loaded, then as decided. */
    bit sweep_pending;
    byte elsewhere;    /* set of orders */
    byte stock_quantity;
    byte reserved_quantity;
    mtype:status status[ORDERS];
    byte keys;
    mtype:payment payment[REFERENCES];
    byte payment_order[REFERENCES];
    byte over;

    /* What is to be saved, and said. */
    bit level_changed;
    byte orders_changed;
    byte orders_new;
    byte extended;
    byte new_keys;
    byte new_payments;
    mtype answer[COMMANDS];

    /* For assertions alone: when the level was read these holds were over and in the way, and these keys there. */
    byte tied;
    byte keys_then;
};
batch at[SERVERS];
#define B at[s]

/* ---- Clients ---- */

mtype:kind kind[COMMANDS];
byte order_of[COMMANDS];
byte reference_of[COMMANDS];
byte waiting;   /* set of commands that are on their way, or in a server's hands */
byte answered;  /* set of commands that have had an answer which settles them */
byte known;     /* set of orders that somebody was told of */
byte told_over; /* set of orders of which somebody was told that their hold is over */
bit begun;

byte crashes = CRASHES;
byte losses = LOSSES;
byte give_ups = GIVE_UPS;

/* ---- Saving, and COMMIT ---- */

/* What is so after every commit. More sold than there was would break I3 and I1. */
inline check_database()
{
    assert(I1 || reserved_quantity <= stock_quantity);
    assert(I2 || reserved_quantity == size(drafts));
    assert(I3 || stock_quantity + sold == STOCK);
    assert(I4 || timeouts == drafts);
    n = 0;
    do
    :: n < ORDERS ->
        assert(I5 || status[n] != PAID || is_accepted(0, n) + is_accepted(1, n) == 1);
        assert(I6 || status[n] == PAID || is_accepted(0, n) + is_accepted(1, n) == 0);
        n++
    :: else -> n = 0; break
    od
}

/* domain/order.c: order_may_move. */
#define may_move(from, to) \
    (((from) == NONE && (to) == DRAFT) || ((from) == DRAFT && (to) != NONE) || ((from) == EXPIRED && (to) == PAID))

#ifdef FAULT_TIMERS_IN_MEMORY
byte own[SERVERS]; /* set of orders that the server has placed since it began */
#endif

inline save_order(s, o)
{
    assert(I8 || !has(B.orders_new, o) || status[o] == NONE);
    assert(I9 || may_move(status[o], B.status[o]));
    status[o] = B.status[o];
    printf("database: order %d: %e\n", o, status[o]);
#ifdef FAULT_TIMERS_IN_MEMORY
    own[s] = with(own[s], B.orders_new);
#endif
    if
    :: status[o] == DRAFT -> timeouts = with(timeouts, BIT(o))
    :: else -> timeouts = without(timeouts, BIT(o))
    fi;
    if
    :: has(B.extended, o) -> /* it was live by the batch's time, and the new deadline is later */
        over = without(over, BIT(o));
        deadline[o]++
    :: else
    fi
}

inline save_payment(s, r)
{
    assert(I7 || payment[r] == NONE);
    payment[r] = B.payment[r];
    payment_order[r] = B.payment_order[r]
}

inline save_all(s)
{
    keys = with(keys, B.new_keys);
    n = 0;
    do
    :: n < ORDERS && has(B.orders_changed, n) -> save_order(s, n); n++
    :: n < ORDERS && !has(B.orders_changed, n) -> n++
    :: else -> n = 0; break
    od;
    do
    :: n < REFERENCES && has(B.new_payments, n) -> save_payment(s, n); n++
    :: n < REFERENCES && !has(B.new_payments, n) -> n++
    :: else -> n = 0; break
    od;
    if
    :: B.level_changed ->
        stock_quantity = B.stock_quantity;
        reserved_quantity = B.reserved_quantity;
        stale[1 - s] = true
    :: else
    fi
}

inline unlock(s)
{
    n = 0;
    do
    :: n < ORDERS && order_lock[n] == s + 1 -> order_lock[n] = 0; n++
    :: n < ORDERS && order_lock[n] != s + 1 -> n++
    :: else -> n = 0; break
    od;
    if
    :: level_lock == s + 1 -> level_lock = 0
    :: else
    fi
}

#ifdef FAULT_NO_GUARD
#define version_is_as_loaded(s) true
#else
#define version_is_as_loaded(s) (!B.level_changed || !stale[s])
#endif
#define is_new_reference(r) (!has(B.new_payments, r) || payment[r] == NONE)
#define unique_keys_are_free(s) ((B.new_keys & keys) == 0 && is_new_reference(0) && is_new_reference(1))

/* The save and its COMMIT are one step: every row that they write is locked by its own update or insert until the
 * transaction ends, so what a guard found still holds at the COMMIT, and nobody sees what is in between. They wait for
 * a stock level that somebody else has locked; the orders were locked when they were loaded.
 *
 * This is a process of its own since nobody has to listen any more: a server that lost its connection, or its life,
 * with COMMIT on its way leaves a transaction behind that ends later, one way or the other. */
proctype Database(byte s)
{
    byte n;
end_no_transaction:
    do
    :: d_step {
        transaction[s] == SENT && (!B.level_changed || level_lock == 0 || level_lock == s + 1) ->
        if
        :: version_is_as_loaded(s) && unique_keys_are_free(s) ->
            save_all(s);
            check_database();
            transaction[s] = COMMITTED
        :: else -> transaction[s] = NOT_COMMITTED
        fi;
        printf("database: server %d's transaction: %e; stock %d, reserved %d\n", s, transaction[s], stock_quantity,
               reserved_quantity);
        unlock(s)
    }
    :: d_step { /* its statements never came */
        transaction[s] == SENT && (!connected[s] || is_down[s]) ->
        transaction[s] = NOT_COMMITTED;
        unlock(s)
    }
    od
}
