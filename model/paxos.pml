/* paxos.pml -- Multi-Paxos as the papers state it, for spin: a second statement of the protocol.
 *
 * It was written from Lamport's rules (The Part-Time Parliament, 1998; Paxos Made Simple, 2001)
 * and shares no line with src/paxos: what two statements agree on is less likely to be a slip of
 * either. `make model` checks every scope of tools/model, and that each MISTAKE below is found.
 * docs/PROTOCOL.md explains the rules; reference.h beside this states them once more, in C.
 *
 * Messages  are never taken back: once out, a message may arrive at any time, any number of
 *           times, or never. So loss, repetition and reordering cost no step of their own. An
 *           ACCEPTED or a PROMISE is a bit in a set; a quorum has been heard when it is in the set.
 * Disks     What is written is in memory until flush(); crash_and_restart() loses what was not flushed. An
 *           answer that rests on a record is held, and is out only when the record is durable.
 * Ballots   are numbered in the order of (round, member, life), so comparing numbers compares
 *           those. Values are named after the ballot under which they were first proposed.
 * Time      There is none: any member may stand, crash or stay silent at any time. */

/* -- The scope: spin -DMEMBERS=3 ... ---------------------------------------------------------- */

#ifndef MEMBERS
#define MEMBERS 3 /* 0 .. MEMBERS - 1; each accepts and learns. */
#endif
#ifndef Q1
#define Q1 2 /* Members of a phase 1 quorum ... */
#endif
#ifndef Q2
#define Q2 2 /* ... and of one of phase 2: Q1 + Q2 > MEMBERS. */
#endif
#ifndef PROPOSERS
#define PROPOSERS 2 /* Members 0 .. PROPOSERS - 1 may stand. */
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef SLOTS
#define SLOTS 2 /* 0 and 1: one phase 1 is for both. */
#endif
#ifndef CRASHES
#define CRASHES 0 /* Of all members together. */
#endif
#ifndef READS
#define READS 0
#endif
#ifndef MISTAKE
#define MISTAKE 0
#endif

/* Mistakes that real systems have made, each of which must be found. */
#define STALE_PROMISES 1       /* A PROMISE for an earlier ballot of the candidate counts. */
#define LOWEST_BALLOT 2        /* Phase 1 takes the value of the lowest ballot reported. */
#define PROMISE_NOT_DURABLE 3  /* PROMISE leaves before its record is durable. */
#define VOTE_NOT_DURABLE 4     /* ACCEPTED leaves before its record is durable. */
#define BALLOT_USED_TWICE 5    /* PREPARE does not wait, and ballots do not name the life. */
#define VOTE_IS_NO_PROMISE 6   /* To accept at a ballot does not promise it. */
#define QUORUM_TOO_SMALL 7     /* A phase 2 quorum lacks one member. */
#define BALLOTS_MIXED 8        /* Votes of different ballots are counted together. */
#define NOTICE_FOR_ANY_VOTE 9  /* A notice is taken for a vote of another ballot. */
#define PASSED_BUT_NOTIFIES 10 /* A leader that was passed goes on giving notices. */
#define CHOSEN_SHOWN_AS_GAP 11 /* A slot known to be chosen is reported as empty. */
#define LEARNED_NOT_RECORDED 12 /* What is learned over another vote gets no record. */
#define READ_NOT_CONFIRMED 13  /* A leader answers a read without asking anybody. */
#define READ_AT_PREFIX 14      /* The read index is the leader's prefix alone. */
#define READ_ASKED_BEFORE 15   /* An answer to an earlier question confirms a read. */
#define REFUSES_NOTHING 16     /* An acceptor accepts below its promise. */
#define LEADER_VOTES_LATE 17   /* A leader does not see to it that it votes itself. */
#define TELLS_TOO_MUCH 18      /* What is known beyond the prefix is told to anybody. */

#ifndef LIVES
#define LIVES (CRASHES + 1) /* Of one member. 1: ballots do not name the life. */
#endif
#ifndef BALLOTS
#define BALLOTS (ROUNDS * PROPOSERS * LIVES) /* Or fewer: the lowest ones. */
#endif
#define BALLOT(round, m, life) (((round) * PROPOSERS + (m)) * LIVES + (life) + 1) /* 0: none. */
#define OWNER(b) ((((b) - 1) / LIVES) % PROPOSERS)

#define BIT(m) (1 << (m))
#define COUNT(set)                                                                                \
    (((set) & 1) + ((set) >> 1 & 1) + ((set) >> 2 & 1) + ((set) >> 3 & 1) + ((set) >> 4 & 1))

#define NOOP 254   /* A value. */
#define CHOSEN 255 /* In a PROMISE, instead of a vote: I know this slot to be chosen. */

#define IDLE 0
#define PREPARING 1
#define LEADING 2

#define HELD 1
#define OUT 2

/* -- The state -------------------------------------------------------------------------------- */

typedef Answer {
    byte shown[SLOTS] /* The ballot of the vote; 0: none. */
};

/* Everything ever said about a ballot. A set is a mask of members. */
typedef Ballot {
    byte prepare;           /* HELD, OUT; 0: not said. */
    byte answering;         /* Members whose PROMISE is held ... */
    byte answered;          /* ... or out. */
    Answer answer[MEMBERS]; /* What it shows. */
    byte value[SLOTS];      /* ACCEPT: what was proposed; 0: nothing. */
    byte voting[SLOTS];     /* Members whose ACCEPTED is held ... */
    byte voted[SLOTS];      /* ... or out: whose vote is durable. */
    byte index              /* The leader's notice: slots below it. */
};

typedef Member {
    byte promised;    /* In memory: accept nothing below. */
    byte vote[SLOTS]; /* The ballot voted for; its value is ballot[vote].value. */
    byte learned[SLOTS]; /* A record says that this value is chosen. */
    byte known[SLOTS];   /* The value known to be chosen, recorded or not. */
    byte disk_promised;
    byte disk_vote[SLOTS];
    byte disk_learned[SLOTS];
    byte disk_prefix; /* A record says that so many slots are chosen. */
    byte told;        /* The claim P1a is about: the highest promise that others were told of. */
    byte life;        /* Its restarts, if it may stand. */
    byte role;
    byte own;         /* Its ballot, unless IDLE. */
    byte next;        /* LEADING: the slot of the next new proposal. */
    byte last;        /* LEADING: one past the last slot that phase 1 reported. */
    bool is_reading;
    byte confirmed;   /* Members that confirmed the ballot since the read came. */
    byte read_index;  /* Slots that the state must have. */
    byte floor        /* What the claim is about: slots that somebody had applied by then. */
};

Ballot ballot[BALLOTS + 1];
Member member[MEMBERS];
byte heard[SLOTS]; /* LEARN: said by whoever knows a slot to be chosen. */
byte applied;      /* The greatest prefix that anybody ever knew. */
byte crashes_left = CRASHES;
byte reads_left = READS;

/* Scratch: of no meaning between two steps. */
hidden byte i, j, k, s_, b_, t_, best, what, from_, is_good, is_chosen;
hidden byte found[SLOTS];

/* -- What must always hold -------------------------------------------------------------------- */

/* what = the value that the votes on the disks have chosen in slot s, from_ = the lowest ballot
 * that did; 0: none. A value is chosen when a phase 2 quorum has voted for it under one ballot. */
inline find_chosen(s) {
    what = 0;
    from_ = 0;
    for (k : 1 .. BALLOTS) {
        if
        :: what == 0 && COUNT(ballot[k].voted[s]) >= Q2 -> what = ballot[k].value[s]; from_ = k
        :: else
        fi
    }
}

/* Only a single value is chosen, and P2a: above the ballot that chose, all votes are for it. */
inline check_choice(s) {
    find_chosen(s);
    for (k : 1 .. BALLOTS) {
        assert(what == 0 || k < from_ || ballot[k].voted[s] == 0 || ballot[k].value[s] == what)
    }
}

/* P2b: above the ballot that chose, all proposals are for what was chosen.
 * P2c: some phase 1 quorum has promised b, and either none of it voted below b, or the highest
 * vote below b in it was for v. */
inline check_proposal(b, s, v) {
    find_chosen(s);
    assert(what == 0 || b < from_ || v == what); /* P2b */
    is_good = false;
    for (i : 1 .. (1 << MEMBERS) - 1) {
        best = 0;
        for (k : 1 .. b - 1) {
            best = ((ballot[k].voted[s] & i) != 0 -> k : best)
        }
        is_chosen = COUNT(i) >= Q1; /* Here: the set i is a quorum that has promised. */
        for (j : 0 .. MEMBERS - 1) {
            is_chosen = is_chosen && ((i & BIT(j)) == 0 || member[j].disk_promised >= b)
        }
        is_good = is_good || (is_chosen && (best == 0 || ballot[best].value[s] == v))
    }
    assert(is_good) /* P2c */
}

/* P1a: whoever told a candidate that it promised a ballot does not vote below it, in any life. */
inline check_vote(m, b) {
    assert(b >= member[m].told)
}

/* -- Learning --------------------------------------------------------------------------------- */

#define PREFIX(m)                                                                                 \
    (member[m].known[0] == 0 -> 0 : (member[m].known[SLOTS - 1] == 0 -> 1 : SLOTS))

/* A leader's prefix is its notice: what it proposed there under its ballot was chosen. */
inline give_notice(m) {
    applied = (READS > 0 && PREFIX(m) > applied -> PREFIX(m) : applied);
    if
    :: member[m].role == LEADING -> ballot[member[m].own].index = PREFIX(m)
    :: else
    fi
}

/* Member m learns that v is chosen in slot s. It tells whoever asks, up to its prefix; what it
 * knows beyond that it tells only to who comes with a higher ballot. */
inline learn(m, s, v) {
    find_chosen(s);
    assert(what == v); /* Nothing is learned that was not chosen. */
    member[m].known[s] = v;
    for (k : 0 .. SLOTS - 1) {
        heard[k] = (k < PREFIX(m) || (MISTAKE == TELLS_TOO_MUCH && k == s) -> member[m].known[k]
                    : heard[k])
    }
    give_notice(m)
}

/* -- The disk --------------------------------------------------------------------------------- */

inline flush(m) {
    member[m].told = member[m].promised;
    member[m].disk_promised = member[m].promised;
#if CRASHES > 0
    member[m].disk_prefix = PREFIX(m);
    for (s_ : 0 .. SLOTS - 1) {
        member[m].disk_vote[s_] = member[m].vote[s_];
        member[m].disk_learned[s_] = member[m].learned[s_]
    }
#endif
    for (b_ : 1 .. BALLOTS) {
        if
        :: ballot[b_].prepare == HELD && OWNER(b_) == m -> ballot[b_].prepare = OUT
        :: else
        fi;
        ballot[b_].answered = ballot[b_].answered | (ballot[b_].answering & BIT(m));
        ballot[b_].answering = ballot[b_].answering & ~BIT(m);
        for (s_ : 0 .. SLOTS - 1) {
            ballot[b_].voted[s_] = ballot[b_].voted[s_] | (ballot[b_].voting[s_] & BIT(m));
            ballot[b_].voting[s_] = ballot[b_].voting[s_] & ~BIT(m)
        }
    }
    for (s_ : 0 .. SLOTS - 1) {
        check_choice(s_)
    }
}

/* Where nobody crashes, a late record is but a late message: all is durable at once. */
inline written(m) {
#if CRASHES == 0
    flush(m)
#else
    skip
#endif
}

inline crash_and_restart(m) {
    crashes_left--;
    member[m].promised = member[m].disk_promised;
    for (s_ : 0 .. SLOTS - 1) {
        member[m].vote[s_] = member[m].disk_vote[s_];
        member[m].learned[s_] = member[m].disk_learned[s_];
        /* Within the recorded prefix, the last record about a slot says what was chosen. */
        member[m].known[s_] =
            (member[m].learned[s_] == 0 && s_ < member[m].disk_prefix
             -> ballot[member[m].vote[s_]].value[s_] : member[m].learned[s_]);
        find_chosen(s_);
        assert(member[m].known[s_] == 0 || member[m].known[s_] == what)
    }
    for (b_ : 1 .. BALLOTS) {
        if
        :: ballot[b_].prepare == HELD && OWNER(b_) == m -> ballot[b_].prepare = 0
        :: else
        fi;
        if
        :: (ballot[b_].answering & BIT(m)) != 0 ->
            ballot[b_].answering = ballot[b_].answering & ~BIT(m);
            for (s_ : 0 .. SLOTS - 1) {
                ballot[b_].answer[m].shown[s_] = 0
            }
        :: else
        fi;
        for (s_ : 0 .. SLOTS - 1) {
            ballot[b_].voting[s_] = ballot[b_].voting[s_] & ~BIT(m)
        }
    }
    step_down(m);
    member[m].life = (m < PROPOSERS && LIVES > 1 -> member[m].life + 1 : 0)
}

/* -- Phase 1 ---------------------------------------------------------------------------------- */

/* Nobody will look at the answers to m's ballot again: states that differ in them are the same. */
inline forget_answers(m) {
#if MISTAKE != STALE_PROMISES
    ballot[member[m].own].answered = 0;
    ballot[member[m].own].answering = 0;
    for (j : 0 .. MEMBERS - 1) {
        for (k : 0 .. SLOTS - 1) {
            ballot[member[m].own].answer[j].shown[k] = 0
        }
    }
#else
    skip
#endif
}

inline step_down(m) {
    forget_answers(m);
    member[m].role = IDLE;
    member[m].own = 0;
    member[m].next = 0;
    member[m].last = 0;
    stop_reading(m)
}

/* Promise b, which ends a lower candidacy or lead of our own. */
inline make_promise(m, b) {
    if
    :: member[m].role != IDLE && member[m].own < b -> step_down(m)
    :: else
    fi;
    member[m].promised = b
}

#define IS_AWAITED(b)                                                                             \
    (MISTAKE == STALE_PROMISES ||                                                                 \
     (member[OWNER(b)].role == PREPARING && member[OWNER(b)].own == b))

/* Phase 1b: promise, and show every vote. It is held until promise and votes are durable. */
inline on_prepare(m, b) {
    make_promise(m, b);
    for (s_ : 0 .. SLOTS - 1) {
        heard[s_] = (member[m].known[s_] != 0 -> member[m].known[s_] : heard[s_])
    }
    for (s_ : 0 .. SLOTS - 1) {
        ballot[b].answer[m].shown[s_] =
            (!IS_AWAITED(b) -> 0 : (member[m].known[s_] == 0 -> member[m].vote[s_]
             : (MISTAKE == CHOSEN_SHOWN_AS_GAP -> 0 : CHOSEN)))
    }
    if
    :: !IS_AWAITED(b)
    :: MISTAKE == PROMISE_NOT_DURABLE ->
        member[m].told = b;
        ballot[b].answered = ballot[b].answered | BIT(m)
    :: else -> ballot[b].answering = ballot[b].answering | BIT(m)
    fi
}

#define LIFE(m) (MISTAKE == BALLOT_USED_TWICE -> 0 : member[m].life)

/* Phase 1a. The candidate promises its ballot itself, and PREPARE waits for that record. */
inline stand(m, b) {
    step_down(m);
    member[m].role = PREPARING;
    member[m].own = b;
    ballot[b].prepare = (MISTAKE == BALLOT_USED_TWICE -> OUT : HELD);
    on_prepare(m, b);
    written(m)
}

/* The members whose PROMISE the candidate m counts. */
#define EARLIER(b) (b > PROPOSERS * LIVES -> b - PROPOSERS * LIVES : 0)
#if MISTAKE == STALE_PROMISES
#define PROMISED(m) (ballot[member[m].own].answered | ballot[EARLIER(member[m].own)].answered)
#else
#define PROMISED(m) (ballot[member[m].own].answered)
#endif

/* What the quorum q reported of slot s: is_chosen, or best, the ballot whose value to propose. */
inline judge_slot(m, s, q) {
    best = 0;
    is_chosen = member[m].known[s] != 0;
    for (j : 0 .. MEMBERS - 1) {
        b_ = ((ballot[member[m].own].answered & BIT(j)) != 0 -> member[m].own
              : EARLIER(member[m].own)); /* The latter only by mistake. */
        k = ((q & BIT(j)) != 0 -> ballot[b_].answer[j].shown[s] : 0);
        if
        :: k == CHOSEN -> is_chosen = true
        :: k != CHOSEN && k > best && (MISTAKE != LOWEST_BALLOT || best == 0) -> best = k
        :: k != 0 && k < best && MISTAKE == LOWEST_BALLOT -> best = k
        :: else
        fi
    }
}

/* -- Phase 2 ---------------------------------------------------------------------------------- */

/* Phase 2b: vote, unless a higher ballot was promised. To vote at a ballot is to promise it. */
inline on_accept(m, b, s) {
    check_vote(m, b);
    if
    :: MISTAKE != VOTE_IS_NO_PROMISE && b > member[m].promised -> make_promise(m, b)
    :: else
    fi;
    member[m].vote[s] = b;
    if
    :: MISTAKE == VOTE_NOT_DURABLE ->
        ballot[b].voted[s] = ballot[b].voted[s] | BIT(m);
        check_choice(s)
    :: else -> ballot[b].voting[s] = ballot[b].voting[s] | BIT(m)
    fi;
    written(m)
}

/* Phase 2a: one ballot proposes one value in a slot. The leader's own acceptor votes at once: so
 * its last record about the slot is for this value, whoever else makes up the quorum. */
inline propose(m, s, v) {
    assert(ballot[member[m].own].value[s] == 0 || ballot[member[m].own].value[s] == v);
    ballot[member[m].own].value[s] = v;
    check_proposal(member[m].own, s, v);
    if
    :: MISTAKE != LEADER_VOTES_LATE -> on_accept(m, member[m].own, s)
    :: else
    fi
}

/* The phase 1 quorum q has promised. What it reports chosen is left alone; of the rest, the vote
 * of the highest ballot is proposed again, and a no-op where nobody voted below a later slot. */
inline lead(m, q) {
    for (t_ : 0 .. SLOTS - 1) {
        judge_slot(m, t_, q);
        member[m].last = (is_chosen || best != 0 -> t_ + 1 : member[m].last);
        found[t_] = (is_chosen -> 0 : (best != 0 -> ballot[best].value[t_] : NOOP))
    }
    forget_answers(m);
    member[m].role = LEADING;
    member[m].next = member[m].last;
    for (t_ : 0 .. SLOTS - 1) {
        if
        :: t_ < member[m].next && found[t_] != 0 -> propose(m, t_, found[t_])
        :: else
        fi
    }
    member[m].last = (READS > 0 -> member[m].last : 0);
    give_notice(m)
}

/* The votes for slot s that the leader of ballot b counts: those of its ballot. */
#define ALL_VOTES(s) (ballot[1].voted[s] | ballot[2].voted[s] | ballot[BALLOTS].voted[s])
#if MISTAKE == BALLOTS_MIXED
#define VOTES(b, s) ALL_VOTES(s)
#else
#define VOTES(b, s) (ballot[b].voted[s])
#endif
#if MISTAKE == QUORUM_TOO_SMALL
#define ENOUGH (Q2 - 1)
#else
#define ENOUGH Q2
#endif

/* A leader that hears of another value than its own in a slot, or of a slot that it has not come
 * to, has been passed by a higher ballot: it must not give notices any more. */
inline on_learn(m, s, v) {
    if
    :: MISTAKE != PASSED_BUT_NOTIFIES && member[m].role == LEADING &&
       (s >= member[m].next || (ballot[member[m].own].value[s] != 0 &&
                                ballot[member[m].own].value[s] != v)) -> step_down(m)
    :: else
    fi;
    /* A record of its own, unless our own vote says the same. */
    if
    :: MISTAKE != LEARNED_NOT_RECORDED &&
       CRASHES > 0 && (member[m].vote[s] == 0 || ballot[member[m].vote[s]].value[s] != v) ->
        member[m].learned[s] = v
    :: else
    fi;
    learn(m, s, v);
    written(m)
}

/* -- Reads ------------------------------------------------------------------------------------ */

inline stop_reading(m) {
    member[m].is_reading = false;
    member[m].confirmed = 0;
    member[m].read_index = 0;
    member[m].floor = 0
}

/* The index covers all that phase 1 reported: an earlier leader may have answered for it. */
inline begin_read(m) {
    reads_left--;
    member[m].is_reading = true;
    member[m].confirmed = member[m].confirmed | BIT(m);
    member[m].read_index =
        (member[m].last > PREFIX(m) && MISTAKE != READ_AT_PREFIX -> member[m].last : PREFIX(m));
    member[m].floor = applied
}

/* A phase 2 quorum has said, after the read came, that the ballot still stands. */
inline answer_read(m) {
    assert(member[m].read_index >= member[m].floor);
    stop_reading(m)
}

/* -- What a member may do at any time ---------------------------------------------------------- */

#define STEP(guard, ...) :: d_step { guard -> __VA_ARGS__; skip }

#define ON_SLOT(b, s)                                                                             \
    STEP(ballot[b].value[s] != 0 && member[m].known[s] == 0 && member[m].vote[s] != b &&          \
         (b >= member[m].promised || MISTAKE == REFUSES_NOTHING), on_accept(m, b, s))             \
    STEP(ballot[b].index > s && OWNER(b) != m && member[m].known[s] == 0 &&                       \
         (member[m].vote[s] == b ||                                                               \
          (MISTAKE == NOTICE_FOR_ANY_VOTE && member[m].vote[s] != 0)),                            \
         i = ballot[member[m].vote[s]].value[s]; learn(m, s, i))

#if SLOTS == 1
#define EACH_SLOT(DO) DO(0)
#define ON_SLOTS(b) ON_SLOT(b, 0)
#else
#define EACH_SLOT(DO) DO(0) DO(1)
#define ON_SLOTS(b) ON_SLOT(b, 0) ON_SLOT(b, 1)
#endif

#define ON_BALLOT(b)                                                                              \
    STEP(m < PROPOSERS && b > member[m].promised &&                                               \
         b == BALLOT((b - 1) / (PROPOSERS * LIVES), m, LIFE(m)), stand(m, b))                     \
    STEP(ballot[b].prepare == OUT &&                                                              \
         (b > member[m].promised || (b == member[m].promised && IS_AWAITED(b) &&                  \
          ((ballot[b].answering | ballot[b].answered) & BIT(m)) == 0)),                           \
         on_prepare(m, b); written(m))                                                            \
    ON_SLOTS(b)

#define ON_QUORUM(q)                                                                              \
    STEP(member[m].role == PREPARING && (PROMISED(m) & (q)) == q, lead(m, q))

#define ON_LOG(s)                                                                                 \
    STEP(member[m].role == LEADING && member[m].next == s,                                        \
         member[m].next = s + 1; propose(m, s, member[m].own))                                    \
    STEP(member[m].role == LEADING && member[m].known[s] == 0 &&                                  \
         ballot[member[m].own].value[s] != 0 && COUNT(VOTES(member[m].own, s)) >= ENOUGH,         \
         i = ballot[member[m].own].value[s]; learn(m, s, i))                                      \
    STEP(heard[s] != 0 && member[m].known[s] == 0, i = heard[s]; on_learn(m, s, i))

/* Member m answers a question of the leader n, one asked since the read came. */
#define ON_QUESTION(n)                                                                            \
    STEP(m != n && member[n].role == LEADING && (member[n].confirmed & BIT(m)) == 0 &&            \
         member[m].promised <= member[n].own &&                                                   \
         (member[n].is_reading || MISTAKE == READ_ASKED_BEFORE),                                  \
         member[n].confirmed = member[n].confirmed | BIT(m))

#if BALLOTS == 2
#define EACH_BALLOT(DO) DO(1) DO(2)
#elif BALLOTS == 3
#define EACH_BALLOT(DO) DO(1) DO(2) DO(3)
#elif BALLOTS == 4
#define EACH_BALLOT(DO) DO(1) DO(2) DO(3) DO(4)
#elif BALLOTS == 6
#define EACH_BALLOT(DO) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6)
#elif BALLOTS == 8
#define EACH_BALLOT(DO) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8)
#endif

#if MEMBERS == 3 && Q1 == 2
#define EACH_QUORUM(DO) DO(3) DO(5) DO(6)
#elif MEMBERS == 4 && Q1 == 2
#define EACH_QUORUM(DO) DO(3) DO(5) DO(6) DO(9) DO(10) DO(12)
#elif MEMBERS == 4 && Q1 == 3
#define EACH_QUORUM(DO) DO(7) DO(11) DO(13) DO(14)
#elif MEMBERS == 5 && Q1 == 3
#define EACH_QUORUM(DO)                                                                           \
    DO(7) DO(11) DO(13) DO(14) DO(19) DO(21) DO(22) DO(25) DO(26) DO(28)
#endif

#if MISTAKE == READ_NOT_CONFIRMED
#define IS_CONFIRMED(m) true
#else
#define IS_CONFIRMED(m) (COUNT(member[m].confirmed) >= Q2)
#endif

/* Something is written that is not on the disk. */
#define IS_PENDING(m, s)                                                                          \
    (member[m].vote[s] != member[m].disk_vote[s] ||                                               \
     member[m].learned[s] != member[m].disk_learned[s])

proctype Replica(byte m) {
end:
    do
    EACH_BALLOT(ON_BALLOT)
    EACH_QUORUM(ON_QUORUM)
    EACH_SLOT(ON_LOG)
#if CRASHES > 0
    STEP(member[m].promised != member[m].disk_promised || PREFIX(m) != member[m].disk_prefix ||
         IS_PENDING(m, 0) || IS_PENDING(m, SLOTS - 1), flush(m))
    STEP(crashes_left > 0, crash_and_restart(m))
#endif
#if READS > 0
    STEP(member[m].role == LEADING && !member[m].is_reading && reads_left > 0, begin_read(m))
    STEP(member[m].is_reading && IS_CONFIRMED(m), answer_read(m))
    ON_QUESTION(0)
    ON_QUESTION(1)
#endif
    od
}

init {
    atomic {
        run Replica(0);
        run Replica(1);
        run Replica(2);
#if MEMBERS > 3
        run Replica(3);
#endif
#if MEMBERS > 4
        run Replica(4);
#endif
        skip
    }
}
