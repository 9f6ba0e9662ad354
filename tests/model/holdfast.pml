/* The protocol of orders, holds, payments, timeouts, two servers and lost COMMITs, for spin, which tries every order in
 * which its steps can happen. docs/model.md says how to run it, what it leaves out, and how to read what it finds.
 *
 * Steps. Whatever two processes could see of each other in between is a step of its own: each statement of a load sees
 * what was committed before it began (READ COMMITTED). What is one step here and several in the code says why.
 *
 * Versions. A version is a counter in the database. Here each server has a bit instead, stale, which is set when anybody
 * else commits a change to the stock level after this server read it: the same answer to the same question (is the
 * version still the loaded one?), without a number that grows. */

#define SERVERS 2
#define ORDERS 2
#define REFERENCES 2

/* ---- What is played: each run has its own commands, and its own share of misfortune ---- */

#if defined(RUN_RACE) /* two customers; one of them asks twice under one key, as after a broken connection */
#define COMMANDS 3
#define SETTING              \
    command(0, PLACE, 0, 0); \
    command(1, PLACE, 0, 0); \
    command(2, PLACE, 1, 0)
#elif defined(RUN_PAYMENTS) /* a held order is paid twice, while another customer waits for its unit */
#define COMMANDS 3
#define SETTING              \
    held(0);                 \
    command(0, PAY, 0, 0);   \
    command(1, PAY, 0, 1);   \
    command(2, PLACE, 1, 0)
#elif defined(RUN_CANCEL) /* a held order is paid and cancelled, while another customer waits for its unit */
#define COMMANDS 3
#define SETTING              \
    held(0);                 \
    command(0, PAY, 0, 0);   \
    command(1, CANCEL, 0, 0);\
    command(2, PLACE, 1, 0)
#elif defined(RUN_REFERENCE) /* one payment reference, sent twice for one order and once for another */
#define COMMANDS 3
#define STOCK 2
#define SETTING              \
    held(0);                 \
    held(1);                 \
    command(0, PAY, 0, 0);   \
    command(1, PAY, 0, 0);   \
    command(2, PAY, 1, 0)
#elif defined(RUN_EXTEND) /* a hold is extended, paid and cancelled around its deadline */
#define COMMANDS 3
#define SETTING              \
    held(0);                 \
    command(0, EXTEND, 0, 0);\
    command(1, PAY, 0, 0);   \
    command(2, CANCEL, 0, 0)
#elif defined(RUN_LIFE) /* from nothing to the end */
#define COMMANDS 3
#define SETTING              \
    command(0, PLACE, 0, 0); \
    command(1, PAY, 0, 0);   \
    command(2, PLACE, 1, 0)
#endif

#ifndef STOCK
#define STOCK 1
#endif
#ifndef CRASHES
#define CRASHES 0 /* how often a server dies */
#endif
#ifndef LOSSES
#define LOSSES 0 /* how often a connection to the database is lost */
#endif
#ifndef GIVE_UPS
#define GIVE_UPS 0 /* how often a lock is waited for in vain */
#endif
#ifndef MEETS_OTHERS
#define MEETS_OTHERS false /* true: within the second after a conflict, when every batch locks the stock level */
#endif

/* ---- Words ---- */

#define NONE 0 /* no row, no answer, not recorded, not sent */
mtype:status = { DRAFT, PAID, CANCELLED, EXPIRED };
mtype:kind = { PLACE, PAY, CANCEL, EXTEND };
mtype:payment = { ACCEPTED, REFUND_DUE };
mtype:transaction = { SENT, COMMITTED, NOT_COMMITTED };
mtype:answer = {
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
    mtype:answer answer[COMMANDS];

    /* For assertions alone: when the level was read, these holds were over and in the way, and these keys were there. */
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

inline save_order(s, o)
{
    assert(I8 || !has(B.orders_new, o) || status[o] == NONE);
    assert(I9 || may_move(status[o], B.status[o]));
    status[o] = B.status[o];
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
 * transaction ends, so what a guard found still holds at the COMMIT, and nobody sees what is in between. They wait for a
 * stock level that somebody else has locked; the orders were locked when they were loaded.
 *
 * This is a process of its own since nobody has to listen any more: a server that lost its connection, or its life, with
 * COMMIT on its way leaves a transaction behind that ends later, one way or the other. */
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
        unlock(s)
    }
    :: d_step { /* its statements never came */
        transaction[s] == SENT && (!connected[s] || is_down[s]) ->
        transaction[s] = NOT_COMMITTED;
        unlock(s)
    }
    od
}

/* ---- Loading ---- */

#ifdef FAULT_SWEEP_SKIPS
byte skipped[SERVERS];
#define due_for(s) without(due_now, skipped[s])
#elif defined(FAULT_TIMERS_IN_MEMORY)
byte own[SERVERS];
#define due_for(s) (due_now & own[s])
#else
#define due_for(s) due_now
#endif

#define has_work(s) (B.taken != 0 || queue[s] != 0 || due_for(s) != 0)

/* Every command that has come by now. */
inline take(s)
{
    B.taken = with(B.taken, queue[s]);
    queue[s] = 0;
    B.locks_level = MEETS_OTHERS;
    n = 0;
    do
    :: n < COMMANDS && has(B.taken, n) && kind[n] != PLACE -> B.wanted = with(B.wanted, BIT(order_of[n])); n++
    :: n < COMMANDS && !(has(B.taken, n) && kind[n] != PLACE) -> n++
    :: else -> n = 0; break
    od
}

/* In one step with taking the commands, or planning again: it may be old by the time that anything is locked, and that it
 * was so all along changes nothing. */
inline look(s)
{
    B.due = due_for(s);
    B.deadline[0] = (has(B.due, 0) -> deadline[0] : 0);
    B.deadline[1] = (has(B.due, 1) -> deadline[1] : 0);
#ifdef FAULT_OLD_CLOCK
    B.over = over;
#endif
    skip_to_lock(s)
}

/* Locks are taken one by one: first the wanted orders, ascending, then those that are due. Where there is none to take
 * there is no step. */
#define LOCKS (2 * ORDERS)
#define must_lock(s, n) ((n) < ORDERS -> has(B.wanted, n) : has(B.due, (n) - ORDERS))
inline skip_to_lock(s)
{
    do
    :: n < LOCKS && !must_lock(s, n) -> n++
    :: else -> break
    od;
    skip /* a d_step may not end with a loop */
}

#ifdef FAULT_NO_ORDER_LOCK
#define lock_order(s, o) skip
#else
#define lock_order(s, o) order_lock[o] = s + 1
#endif

/* FOR UPDATE SKIP LOCKED; and is the timeout that was found still there? The lock keeps both as they are. */
inline lock_due_order(s, o)
{
    if
    :: order_lock[o] == 0 -> lock_order(s, o); B.status[o] = status[o]
    :: else
    fi;
    if
#ifdef FAULT_UNCHECKED_EXPIRY
    :: order_lock[o] == s + 1 -> skip
#elif defined(FAULT_NO_ORDER_LOCK)
    :: has(timeouts, o) && deadline[o] == B.deadline[o] -> skip
#else
    :: order_lock[o] == s + 1 && has(timeouts, o) && deadline[o] == B.deadline[o] -> skip
#endif
    :: else ->
        B.elsewhere = with(B.elsewhere, BIT(o));
        B.sweep_pending = true;
    fi
}

inline count_due(s)
{
    if
    :: size(due_now) > size(B.due) -> B.sweep_pending = true
    :: else
    fi
}

inline read_level(s)
{
    B.stock_quantity = stock_quantity;
    B.reserved_quantity = reserved_quantity;
    stale[s] = false;
    B.tied = B.tied & drafts;
    B.keys_then = keys
}

inline read_keys(s)
{
#ifndef FAULT_NO_KEYS
    B.keys = keys;
#endif
    n = 0;
    do
    :: n < REFERENCES -> B.payment[n] = payment[n]; B.payment_order[n] = payment_order[n]; n++
    :: else -> n = 0; break
    od
}

/* ---- Deciding: on the facts alone ---- */

#define available (B.stock_quantity - B.reserved_quantity)
#define is_live(o) (B.status[o] == DRAFT && !has(B.over, o))
#define is_past(o) (B.status[o] == EXPIRED || (B.status[o] == DRAFT && has(B.over, o)))
#define is_swept(o) (has(B.due, o) && !has(B.elsewhere, o))

inline change_order(s, o, to)
{
    B.status[o] = to;
    B.orders_changed = with(B.orders_changed, BIT(o))
}

inline release(s)
{
    B.reserved_quantity--;
    B.level_changed = true
}

inline expire(s, o)
{
    change_order(s, o, EXPIRED);
#ifndef FAULT_NO_RELEASE
    release(s);
#endif
    skip
}

/* Locked, due by the last look, and the timeout still there: then it is a draft whose time is over, or I4 is broken. */
inline sweep(s)
{
    n = 0;
    do
    :: n < ORDERS && is_swept(n) && !B.level_locked_out ->
#ifndef FAULT_UNCHECKED_EXPIRY
        assert(I4 || (B.status[n] == DRAFT && has(B.over, n)));
#endif
        expire(s, n);
        n++
    :: n < ORDERS && !(is_swept(n) && !B.level_locked_out) -> n++
    :: else -> n = 0; break
    od
}

/* A refusal is the truth of the moment at which the level was read: the key had no effect by then, and no hold was in the
 * way that had been over since before that, unless this very batch gave its unit to somebody else. */
inline refuse_for_stock(s, c, o)
{
    assert(I8 || !has(B.keys_then, o));
    assert(NOT_SHORT_OF_WHAT_IS_OVER || (!(has(B.tied, 0) && !is_swept(0)) && !(has(B.tied, 1) && !is_swept(1))));
    B.answer[c] = SHORT
}

inline decide_place(s, c, o)
{
    if
    :: B.level_locked_out -> B.answer[c] = LOCKED_OUT
    :: !B.level_locked_out && has(B.keys, o) -> B.answer[c] = PLACED
    :: !B.level_locked_out && !has(B.keys, o) && available <= 0 && B.sweep_pending -> B.answer[c] = NEEDS_SWEEP
    :: !B.level_locked_out && !has(B.keys, o) && available <= 0 && !B.sweep_pending -> refuse_for_stock(s, c, o)
    :: !B.level_locked_out && !has(B.keys, o) && available > 0 ->
        assert(I8 || !has(B.orders_new, o));
        change_order(s, o, DRAFT);
        B.orders_new = with(B.orders_new, BIT(o));
        B.reserved_quantity++;
        B.level_changed = true;
#ifndef FAULT_NO_KEYS
        B.keys = with(B.keys, BIT(o));
        B.new_keys = with(B.new_keys, BIT(o));
#endif
        B.answer[c] = PLACED
    fi
}

inline record(s, o, r, what)
{
    B.payment[r] = what;
    B.payment_order[r] = o;
    B.new_payments = with(B.new_payments, BIT(r))
}

inline accept_payment(s, c, o, r)
{
    change_order(s, o, PAID);
    B.stock_quantity--;
    B.level_changed = true;
    record(s, o, r, ACCEPTED);
    B.answer[c] = PAYMENT_ACCEPTED
}

inline decide_pay(s, c, o, r)
{
    if
    :: B.payment[r] == NONE && B.status[o] == DRAFT && has(B.over, o) -> expire(s, o) /* the sweep had not reached it */
    :: else
    fi;
    if
    :: B.payment[r] != NONE && B.payment_order[r] != o -> B.answer[c] = REFERENCE_USED
    :: B.payment[r] == ACCEPTED && B.payment_order[r] == o -> B.answer[c] = PAYMENT_ACCEPTED
    :: B.payment[r] == REFUND_DUE && B.payment_order[r] == o -> B.answer[c] = PAYMENT_REFUSED
    :: B.payment[r] == NONE && B.status[o] == DRAFT ->
        assert(HOLD_ENDS_ONCE || !has(told_over, o));
        release(s);
        accept_payment(s, c, o, r)
    :: B.payment[r] == NONE && B.status[o] == EXPIRED && available > 0 -> accept_payment(s, c, o, r)
    :: B.payment[r] == NONE && B.status[o] == EXPIRED && available <= 0 && B.sweep_pending -> B.answer[c] = NEEDS_SWEEP
    :: B.payment[r] == NONE && (B.status[o] == PAID || B.status[o] == CANCELLED ||
                                (B.status[o] == EXPIRED && available <= 0 && !B.sweep_pending)) ->
#ifndef FAULT_DROPPED_PAYMENT
        record(s, o, r, REFUND_DUE);
#endif
        B.answer[c] = PAYMENT_REFUSED
    fi
}

inline decide_cancel(s, c, o)
{
    if
    :: is_live(o) ->
        assert(HOLD_ENDS_ONCE || !has(told_over, o));
        change_order(s, o, CANCELLED);
        release(s);
        B.answer[c] = HOLD_CANCELLED
    :: is_past(o) -> B.answer[c] = HOLD_OVER
    :: B.status[o] == CANCELLED -> B.answer[c] = HOLD_CANCELLED
    :: B.status[o] == PAID -> B.answer[c] = ALREADY_PAID
    fi
}

inline decide_extend(s, c, o)
{
    if
    :: is_live(o) ->
        assert(HOLD_ENDS_ONCE || !has(told_over, o));
        change_order(s, o, DRAFT);
        B.extended = with(B.extended, BIT(o));
        B.answer[c] = HOLD_EXTENDED
    :: is_past(o) -> B.answer[c] = HOLD_OVER
    :: B.status[o] == CANCELLED || B.status[o] == PAID -> B.answer[c] = NOT_DRAFT
    fi
}

inline decide(s, c, o)
{
    if
    :: kind[c] == PLACE -> decide_place(s, c, o)
    :: kind[c] != PLACE && (has(B.locked_out, o) || B.level_locked_out) -> B.answer[c] = LOCKED_OUT
    :: kind[c] != PLACE && !(has(B.locked_out, o) || B.level_locked_out) ->
        if
        :: B.status[o] == NONE -> B.answer[c] = NOT_FOUND
        :: B.status[o] != NONE && kind[c] == PAY -> decide_pay(s, c, o, reference_of[c])
        :: B.status[o] != NONE && kind[c] == CANCEL -> decide_cancel(s, c, o)
        :: B.status[o] != NONE && kind[c] == EXTEND -> decide_extend(s, c, o)
        fi
    fi
}

#define changes_something(s) ((B.orders_changed | B.new_payments) != 0)

/* ---- Answering ---- */

/* What a client is told is so in the database, and stays so: orders do not leave these states (may_move), payments are
 * only added (I7). */
inline check_answer(s, said, o, r)
{
    assert(I9 || said != PLACED || status[o] != NONE);
    assert(I9 || said != PAYMENT_ACCEPTED || (is_accepted(r, o) && status[o] == PAID));
    assert(I7 || said != PAYMENT_REFUSED || (payment[r] == REFUND_DUE && payment_order[r] == o));
    assert(I7 || said != REFERENCE_USED || (payment[r] != NONE && payment_order[r] != o));
    assert(I9 || said != HOLD_CANCELLED || status[o] == CANCELLED);
    assert(I9 || said != ALREADY_PAID || status[o] == PAID);
    assert(I9 || said != NOT_FOUND); /* nobody asks for an order that he was not told of */
    assert(I9 || said != FAILED || (transaction[s] != SENT && transaction[s] != COMMITTED))
}

/* The command is its client's again: settled, or to be sent once more under the same key or reference. */
inline answer_one(s, c)
{
    check_answer(s, B.answer[c], order_of[c], reference_of[c]);
    if
    :: B.answer[c] == PLACED -> known = with(known, BIT(order_of[c]))
    :: B.answer[c] == HOLD_OVER -> told_over = with(told_over, BIT(order_of[c]))
    :: else
    fi;
    if
    :: B.answer[c] != LOCKED_OUT && B.answer[c] != FAILED && B.answer[c] != UNKNOWN -> answered = with(answered, BIT(c))
    :: else
    fi;
    waiting = without(waiting, BIT(c));
    B.taken = without(B.taken, BIT(c));
    B.answer[c] = NONE
}

#define has_answer(c) (has(B.taken, c) && B.answer[c] != NEEDS_SWEEP)

inline answer_all(s, said)
{
    n = 0;
    do
    :: n < COMMANDS -> B.answer[n] = said; n++
    :: else -> n = 0; break
    od
}

/* ---- A server ---- */

inline forget_facts(s)
{
    B.due = 0;
    B.deadline[0] = 0;
    B.deadline[1] = 0;
    B.locked_out = 0;
    B.level_locked_out = false;
    B.sweep_pending = false;
    B.elsewhere = 0;
    B.keys = 0;
    B.over = 0;
    B.tied = 0;
    B.keys_then = 0
}

inline forget_plan(s)
{
    forget_facts(s);
    B.stock_quantity = 0;
    B.reserved_quantity = 0;
    n = 0;
    do
    :: n < ORDERS -> B.status[n] = NONE; n++
    :: else -> n = 0; break
    od;
    do
    :: n < REFERENCES -> B.payment[n] = NONE; B.payment_order[n] = 0; n++
    :: else -> n = 0; break
    od;
    B.level_changed = false;
    B.orders_changed = 0;
    B.orders_new = 0;
    B.extended = 0;
    B.new_keys = 0;
    B.new_payments = 0;
    stale[s] = false;
    transaction[s] = NONE
}

inline end_batch(s)
{
    B.wanted = 0;
    B.locks_level = false;
    B.skips_locked = false;
    answer_all(s, NONE)
}

/* The first thing on each connection. The row in `writers` is this server's own: its update waits until a transaction
 * that has written it is over, and one that comes later finds that its connection is not the process's any more. So the
 * lost transaction is there by now, or will never be. */
inline take_over(s)
{
    if
    :: transaction[s] == SENT -> transaction[s] = NOT_COMMITTED; unlock(s)
    :: else
    fi;
    connected[s] = true
}

/* Gone with all that it had in hand; its clients see their connections break. What was not at its COMMIT rolls back. */
inline fall(s)
{
    is_down[s] = true;
    waiting = without(waiting, with(queue[s], B.taken));
    queue[s] = 0;
    B.taken = 0;
    if
    :: transaction[s] != SENT -> unlock(s)
    :: else
    fi
}

inline rise(s)
{
    end_batch(s);
    forget_plan(s);
    is_settled = false;
    left = 0;
#ifdef FAULT_TIMERS_IN_MEMORY
    own[s] = 0;
#endif
    connected[s] = true;
    is_down[s] = false
}

inline plan_again(s)
{
    forget_plan(s);
    look(s)
}

proctype Server(byte s)
{
    byte n, left;
    bit is_settled; /* the answers may go out */
end_idle:
    {
        /* What comes later is in the next batch. */
        if
        :: atomic { d_step { has_work(s) && !connected[s] -> take_over(s); forget_plan(s) }; goto end_idle }
        :: d_step { has_work(s) && connected[s] -> take(s); look(s) }
        fi;
load:
        do
        :: d_step { n < ORDERS && order_lock[n] == 0 ->
            lock_order(s, n);
            B.status[n] = status[n];
            n++;
            skip_to_lock(s)
        }
        :: d_step { n < ORDERS && order_lock[n] != 0 && B.skips_locked ->
            B.locked_out = with(B.locked_out, BIT(n));
            n++;
            skip_to_lock(s)
        }
        :: atomic { n < ORDERS && order_lock[n] != 0 && !B.skips_locked && give_ups > 0 -> goto without_locked }
        :: d_step { n >= ORDERS && n < LOCKS ->
            lock_due_order(s, n - ORDERS);
            n++;
            skip_to_lock(s)
        }
        :: atomic { d_step { n == LOCKS ->
            n = 0;
            B.tied = due_now;
#ifdef FAULT_KEYS_FIRST
            read_keys(s);
#endif
#ifndef FAULT_COUNT_LATE
            if
            :: !B.locks_level && !B.skips_locked -> count_due(s)
            :: else
            fi;
#endif
            skip };
            break
        }
        od;
        if
        :: d_step { !B.locks_level && !B.skips_locked -> read_level(s) }
        :: d_step { (B.locks_level || B.skips_locked) && level_lock == 0 -> level_lock = s + 1; read_level(s) }
        :: d_step { B.skips_locked && level_lock != 0 -> B.level_locked_out = true }
        :: atomic { B.locks_level && !B.skips_locked && level_lock != 0 && give_ups > 0 -> goto without_locked }
        fi;
        /* Four things in one step. Keys, the count of what is due, and the time are statements of their own, but nobody
         * can tell: a decision about stock looks at keys and at the count, which cannot change while the level is locked
         * (where it is not the count came before), and the time is only asked about orders that are locked. Deciding is
         * pure. Rolling back, or sending the plan, shows nothing that deciding did not. */
        atomic {
            d_step {
#ifndef FAULT_KEYS_FIRST
                read_keys(s);
#endif
#ifdef FAULT_COUNT_LATE
                count_due(s);
#else
                if
                :: B.locks_level || B.skips_locked -> count_due(s)
                :: else
                fi;
#endif
#ifndef FAULT_OLD_CLOCK
                B.over = over;
#endif
                sweep(s);
                left = B.taken
            };
            /* In the order in which they came, which may have been any. */
            do
            :: left != 0 ->
                if
                :: has(left, 0) -> n = 0
                :: has(left, 1) -> n = 1
                :: has(left, 2) -> n = 2
                fi;
                d_step { left = without(left, BIT(n)); decide(s, n, order_of[n]) }
            :: left == 0 -> n = 0; break
            od;
            if
            :: changes_something(s) -> transaction[s] = SENT
            :: changes_something(s) && losses > 0 -> d_step { losses--; answer_all(s, FAILED); skip } /* ahead of the COMMIT */
            :: !changes_something(s) -> skip /* refusals write nothing */
            fi;
            d_step {
                if
                :: transaction[s] == SENT -> forget_facts(s)
                :: else -> unlock(s); forget_plan(s); is_settled = true
                fi;
#ifdef FAULT_EARLY_ANSWER
                is_settled = true
#endif
            }
        };
        do
        /* One by one: a server may die between two answers. What is parked stays taken. */
        :: atomic { is_settled || (transaction[s] == COMMITTED && connected[s]) ->
            d_step {
                is_settled = true;
                n = 0;
                do
                :: n < COMMANDS && !has_answer(n) -> n++
                :: else -> break
                od;
                skip
            };
            if
            :: n < COMMANDS -> d_step { answer_one(s, n); n = 0 }
            :: else ->
#ifdef FAULT_EARLY_ANSWER
                transaction[s] != SENT;
#endif
                d_step {
                    n = 0;
                    is_settled = false;
                    end_batch(s);
                    if
                    :: connected[s] -> forget_plan(s)
                    :: else /* the lost transaction may still come */
                    fi
                };
                goto end_idle
            fi
        }
        :: atomic { d_step { !is_settled && connected[s] && transaction[s] == NOT_COMMITTED ->
                B.locks_level = true; /* somebody else was faster: this time behind locks */
                answer_all(s, NONE);
#ifdef FAULT_SWEEP_SKIPS
                skipped[s] = with(skipped[s], B.orders_changed & timeouts); /* a timeout whose batch failed is set aside for good */
#endif
                plan_again(s)
            };
            goto load
        }
        :: d_step { !is_settled && connected[s] && losses > 0 ->
            losses--;
            connected[s] = false;
#ifdef FAULT_UNKNOWN_IS_FAILED
            answer_all(s, FAILED);
            is_settled = true
#endif
        }
        :: d_step { !is_settled && !connected[s] -> take_over(s) }
        :: d_step { !is_settled && !connected[s] -> answer_all(s, UNKNOWN); is_settled = true } /* not to be had in time */
        od;
without_locked:
        atomic { d_step { give_ups--; unlock(s); B.skips_locked = true; n = 0; plan_again(s) }; goto load }
    } unless {
        /* Started again once what was at its COMMIT has ended: this model has room for one transaction a server. To be
         * down for longer is to be up and do nothing. */
        atomic { d_step { is_down[s] && transaction[s] != SENT -> rise(s) }; goto end_idle }
    }
}

/* ---- The world ---- */

/* Whoever pays, cancels or extends has been told of the order. The servers are alike: the first command of all may as
 * well go to the first. */
#define is_open(s) (!is_down[s] && (begun || s == 0))
#define may_send(c) \
    (!has(with(waiting, answered), c) && (kind[c] == PLACE || has(known, order_of[c])) && (is_open(0) || is_open(1)))

inline send(c)
{
    waiting = with(waiting, BIT(c));
    if
    :: is_open(0) -> queue[0] = with(queue[0], BIT(c))
    :: is_open(1) -> queue[1] = with(queue[1], BIT(c))
    fi;
    begun = true
}

proctype Clients()
{
end_all_sent:
    do
    :: atomic { may_send(0) -> send(0) }
    :: atomic { may_send(1) -> send(1) }
    :: atomic { may_send(2) -> send(2) }
    od
}

proctype Clock()
{
end_all_over:
    do
    :: d_step { status[0] == DRAFT && !has(over, 0) -> over = with(over, BIT(0)) }
    :: d_step { status[1] == DRAFT && !has(over, 1) -> over = with(over, BIT(1)) }
    od
}

/* Servers die between any two steps. */
proctype Fate()
{
    byte n;
end_all_dead:
    do
    :: d_step { crashes > 0 && !is_down[0] -> crashes--; fall(0) }
    :: d_step { crashes > 0 && !is_down[1] -> crashes--; fall(1) }
#ifdef RUN_LIFE
    :: break /* or do not; elsewhere that need not be said */
#endif
    od
}

inline command(c, what, o, r)
{
    kind[c] = what;
    order_of[c] = o;
    reference_of[c] = r
}

inline held(o)
{
    status[o] = DRAFT;
    reserved_quantity++;
    timeouts = with(timeouts, BIT(o));
    keys = with(keys, BIT(o));
    known = with(known, BIT(o))
}

init {
    atomic {
        SETTING;
        run Server(0);
        run Server(1);
        run Database(0);
        run Database(1);
        run Clients();
        run Clock();
#if CRASHES > 0
        run Fate()
#endif
    }
}

#ifdef RUN_LIFE
/* Who was not sold the order has nothing to pay. */
#define is_done(c) (has(answered, c) || (kind[c] != PLACE && has(answered, 0) && !has(known, order_of[c])))
ltl every_draft_ends_and_everybody_is_answered { <> (is_done(0) && is_done(1) && is_done(2) && drafts == 0) }
#endif
