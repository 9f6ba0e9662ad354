/* The protocol of orders, holds, payments, timeouts, two servers and lost COMMITs, for spin, which tries every order in
 * which its steps can happen. docs/model.md says how to run it, what it leaves out, and how to read what it finds.
 *
 * Steps. Whatever two processes could see of each other in between is a step of its own: each statement of a load sees
 * what was committed before it began (READ COMMITTED). What is one step here and several in the code says why.
 *
 * Versions. A version is a counter in the database. Here each server has a bit instead, stale, which is set when
 * anybody else commits a change to the stock level after this server read it: the same answer to the same question (is
 * the version still the loaded one?), without a number that grows.
 *
 * What is printed is for whoever replays a trail: while spin searches nothing is. */

#define SERVERS 2
#define ORDERS 2
#define REFERENCES 2
#define COMMANDS 3

/* ---- What is played: each run has its own commands, and its own share of misfortune ---- */

#if defined(RUN_RACE) /* two customers; one of them asks twice under one key, as after a broken connection */
#define SETTING               \
    command(0, PLACE, 0, 0);  \
    command(1, PLACE, 0, 0);  \
    command(2, PLACE, 1, 0)
#elif defined(RUN_PAYMENTS) /* a held order is paid twice, while another customer waits for its unit */
#define SETTING               \
    held(0);                  \
    command(0, PAY, 0, 0);    \
    command(1, PAY, 0, 1);    \
    command(2, PLACE, 1, 0)
#elif defined(RUN_CANCEL) /* a held order is paid and cancelled, while another customer waits for its unit */
#define SETTING               \
    held(0);                  \
    command(0, PAY, 0, 0);    \
    command(1, CANCEL, 0, 0); \
    command(2, PLACE, 1, 0)
#elif defined(RUN_REFERENCE) /* one payment reference, sent twice for one order and once for another */
#define STOCK 2
#define SETTING               \
    held(0);                  \
    held(1);                  \
    command(0, PAY, 0, 0);    \
    command(1, PAY, 0, 0);    \
    command(2, PAY, 1, 0)
#elif defined(RUN_EXTEND) /* a hold is extended, paid and cancelled around its deadline */
#define SETTING               \
    held(0);                  \
    command(0, EXTEND, 0, 0); \
    command(1, PAY, 0, 0);    \
    command(2, CANCEL, 0, 0)
#elif defined(RUN_LIFE) /* from nothing to the end */
#define SETTING               \
    command(0, PLACE, 0, 0);  \
    command(1, PAY, 0, 0);    \
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

#include "database.pml"
#include "batch.pml"

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
    printf("server %d: dies\n", s);
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
    printf("server %d: is there again\n", s);
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
            printf("server %d: locks order %d\n", s, n);
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
        :: atomic { n < ORDERS && order_lock[n] != 0 && !B.skips_locked && give_ups > 0 ->
            give_ups--;
            goto without_locked
        }
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
        :: atomic { B.locks_level && !B.skips_locked && level_lock != 0 && give_ups > 0 ->
            give_ups--;
            goto without_locked
        }
        fi;
        /* Four things in one step. Keys, the count of what is due, and the time are statements of their own, but nobody
         * can tell: a decision about stock looks at keys and at the count, which cannot change while the level is
         * locked (where it is not the count came before), and the time is only asked about orders that are locked.
         * Deciding is pure. Rolling back, or sending the plan, shows nothing that deciding did not. */
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
            :: changes_something(s) -> transaction[s] = SENT; printf("server %d: sends its COMMIT\n", s)
            :: changes_something(s) && losses > 0 -> d_step { losses--; answer_all(s, FAILED); skip } /* ahead of it */
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
                plan_again(s)
            };
            goto load
        }
        :: d_step { !is_settled && connected[s] && losses > 0 ->
            losses--;
            connected[s] = false;
            printf("server %d: loses its connection\n", s);
#ifdef FAULT_UNKNOWN_IS_FAILED
            answer_all(s, FAILED);
            is_settled = true
#endif
        }
        :: d_step { !is_settled && !connected[s] ->
            take_over(s);
            printf("server %d: knows now: %e\n", s, transaction[s])
        }
        :: d_step { !is_settled && !connected[s] -> answer_all(s, UNKNOWN); is_settled = true } /* not to be had */
        od;
without_locked:
        atomic { d_step { unlock(s); B.skips_locked = true; n = 0; plan_again(s) }; goto load }
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
    :: is_open(0) -> queue[0] = with(queue[0], BIT(c)); printf("client: command %d, %e, to server 0\n", c, kind[c])
    :: is_open(1) -> queue[1] = with(queue[1], BIT(c)); printf("client: command %d, %e, to server 1\n", c, kind[c])
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
    :: d_step { status[0] == DRAFT && !has(over, 0) -> over = with(over, BIT(0)); printf("clock: order 0 is over\n") }
    :: d_step { status[1] == DRAFT && !has(over, 1) -> over = with(over, BIT(1)); printf("clock: order 1 is over\n") }
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
