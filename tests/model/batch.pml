/* A batch: taken, loaded, decided, answered. Included by holdfast.pml, whose Server takes these steps. */

/* ---- Loading ---- */

#ifdef FAULT_SWEEP_SKIPS
byte skipped[SERVERS];
#define due_for(s) without(due_now, skipped[s])
#elif defined(FAULT_TIMERS_IN_MEMORY)
#define due_for(s) (due_now & own[s])
#else
#define due_for(s) due_now
#endif

#define has_work(s) (B.taken != 0 || queue[s] != 0 || due_for(s) != 0)

/* Every command that has come by now. */
inline take(s)
{
    printf("server %d: takes commands %d\n", s, with(B.taken, queue[s]));
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

/* In one step with taking the commands, or planning again: it may be old by the time that anything is locked, and that
 * it was so all along changes nothing. */
inline look(s)
{
    B.due = due_for(s);
#ifdef FAULT_SWEEP_SKIPS
    skipped[s] = with(skipped[s], B.due); /* tried once, whatever came of it */
#endif
    B.deadline[0] = (has(B.due, 0) -> deadline[0] : 0);
    B.deadline[1] = (has(B.due, 1) -> deadline[1] : 0);
#ifdef FAULT_OLD_CLOCK
    B.over = over;
#endif
    printf("server %d: finds orders %d due\n", s, B.due);
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
    printf("server %d: reads stock %d, reserved %d\n", s, stock_quantity, reserved_quantity);
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

/* A refusal is the truth of the moment at which the level was read: the key had no effect by then, and no hold was in
 * the way that had been over since before that, unless this very batch gave its unit to somebody else. */
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
    printf("server %d: answers command %d: %e\n", s, c, B.answer[c]);
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
