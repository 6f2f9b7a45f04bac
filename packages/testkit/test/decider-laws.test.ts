/** Each law catches its planted defects, and a sound decider passes all laws. */
import { refuse } from "@bioxen/contracts";
import { accept, type Decider, type Decision, deciderOf, UNCHANGED } from "@bioxen/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DECIDER_LAWS,
  type DeciderCase,
  deciderLaws,
  type LawName,
  needlessExceptions,
  neverAccepted,
} from "../src/decider-laws.ts";
import { given } from "../src/given-when-then.ts";

/** A theatre: a seat is booked once, visitors are counted as often as they come. */
type TheatreEvent =
  | { readonly type: "bioxen.theatre.booked.v1"; readonly data: { readonly seat: string } }
  | { readonly type: "bioxen.theatre.counted.v1"; readonly data: { readonly visitors: number } };

type TheatreCommand =
  | { readonly type: "book"; readonly seat: string; readonly broken: readonly string[] }
  | { readonly type: "count"; readonly visitors: number };

interface Theatre {
  readonly seats: readonly string[];
  readonly visitors: number;
}
type TheatreDecider = Decider<Theatre, TheatreCommand, TheatreEvent>;
type TheatreCase = DeciderCase<TheatreCommand, TheatreEvent>;

const booked = (seat: string): TheatreEvent => ({ type: "bioxen.theatre.booked.v1", data: { seat } });
const counted = (visitors: number): TheatreEvent => ({
  type: "bioxen.theatre.counted.v1",
  data: { visitors },
});
const book = (seat: string): TheatreCommand => ({ type: "book", seat, broken: ["z", "y"] });
const count = (visitors: number): TheatreCommand => ({ type: "count", visitors });

const theatre = deciderOf<Theatre, TheatreCommand, TheatreEvent>(
  {
    schema: 1,
    initial: { seats: [], visitors: 0 },
    evolve: (state, event) =>
      event.type === "bioxen.theatre.booked.v1"
        ? { ...state, seats: [...state.seats, event.data.seat] }
        : { ...state, visitors: state.visitors + event.data.visitors },
  },
  {
    book: ({ seats }, { seat, broken }) => {
      if (broken.includes(seat)) return refuse("UNAVAILABLE", `seat ${seat} is broken`);
      return seats.includes(seat) ? UNCHANGED : accept(booked(seat));
    },
    count: (_, { visitors }) => accept(counted(visitors)),
  },
);

const REPEATS = [{ type: "count", reason: "Each command counts other visitors." }] as const;
const CASES: readonly TheatreCase[] = [
  { events: [], command: book("a") },
  { events: [booked("a"), counted(2)], command: book("a") },
  { events: [booked("a")], command: book("z") },
  { events: [booked("a")], command: count(3) },
];

deciderLaws("a theatre, in listed cases", theatre, { cases: CASES, repeats: REPEATS });

const seat = fc.constantFrom("a", "b", "z");
deciderLaws("a theatre, in generated cases", theatre, {
  cases: fc.record({
    events: fc.array(fc.oneof(seat.map(booked), fc.nat(9).map(counted)), { maxLength: 5 }),
    command: fc.oneof(seat.map(book), fc.nat(9).map(count)),
  }),
  repeats: REPEATS,
});

type Decide = (state: Theatre, command: TheatreCommand) => Decision<TheatreEvent>;
type Evolve = (state: Theatre, event: TheatreEvent) => Theatre;

/** The theatre with one part replaced by a defect. */
const withDecide = (decide: Decide): TheatreDecider => ({ fold: theatre.fold, decide });
const withEvolve = (evolve: Evolve): TheatreDecider => ({
  fold: { ...theatre.fold, evolve },
  decide: theatre.decide,
});
const sound = (state: Theatre, event: TheatreEvent) =>
  theatre.fold.evolve(state, event, { eventId: "e", correlationId: "c", seq: 1, version: 1, atMs: 0 });

function breaks(law: LawName, decider: TheatreDecider): void {
  const checkAll = (checked: TheatreDecider) => {
    for (const one of CASES) DECIDER_LAWS[law].check(checked, one, { repeats: REPEATS });
  };
  expect(() => checkAll(theatre), "the sound decider passes").not.toThrow();
  expect(() => checkAll(decider), "the defect is caught").toThrow();
}

describe("a planted defect", () => {
  it("a decision that depends on how often it was asked breaks determinism", () => {
    let calls = 0;
    const decide: Decide = () => accept(counted(++calls));
    breaks("deterministic", withDecide(decide));
  });

  it("a decision that changes its state breaks purity", () => {
    const decide: Decide = (state, command) => {
      (state.seats as string[]).push("x");
      return theatre.decide(state, command);
    };
    breaks("pure", withDecide(decide));
  });

  it("a decision that sorts a list of its command in place breaks purity", () => {
    const decide: Decide = (state, command) => {
      if (command.type === "book") (command.broken as string[]).sort();
      return theatre.decide(state, command);
    };
    breaks("pure", withDecide(decide));
  });

  it("a fold that changes the state it was given breaks purity", () => {
    const evolve: Evolve = (state, event) => {
      if (event.type === "bioxen.theatre.booked.v1") (state.seats as string[]).push(event.data.seat);
      return state;
    };
    breaks("pure", withEvolve(evolve));
  });

  it("a change inside a map, which cannot be frozen, breaks purity", () => {
    const facts = new Map<string, number>();
    const command = { ...book("a"), facts };
    const decide: Decide = () => {
      facts.set("asked", (facts.get("asked") ?? 0) + 1);
      return UNCHANGED;
    };
    const one = { events: [], command };
    expect(() => DECIDER_LAWS.pure.check(withDecide(decide), one, {})).toThrow("events and command");
  });

  it("an event with a value that JSON does not have breaks storage", () => {
    const decide: Decide = () => accept(counted(Number.NaN));
    breaks("storable", withDecide(decide));
  });

  it("an event whose meaning JSON loses breaks storage", () => {
    // The cast hides the defect from the compiler: a date in place of text.
    const when = new Date(0) as unknown as string;
    const decide: Decide = () => accept(booked(when));
    breaks("storable", withDecide(decide));
  });

  it("a state that a snapshot cannot hold breaks resumption", () => {
    const evolve: Evolve = (state, event) => {
      const { seats } = sound(state, event);
      // The cast hides the defect from the compiler: a set in place of a list.
      return { seats: new Set(seats) as unknown as string[], visitors: state.visitors };
    };
    breaks("resumable", withEvolve(evolve));
  });

  it("a fold with a memory outside of its state breaks resumption", () => {
    let visitors = 0;
    const evolve: Evolve = (state, event) => ({ ...sound(state, event), visitors: ++visitors });
    breaks("resumable", withEvolve(evolve));
  });

  it("a command that books the same seat again breaks idempotence", () => {
    const decide: Decide = (state, command) =>
      command.type === "book" ? accept(booked(command.seat)) : theatre.decide(state, command);
    breaks("idempotent", withDecide(decide));
  });

  it("a command without a declared exception breaks idempotence", () => {
    const one = { events: [], command: count(1) };
    expect(() => DECIDER_LAWS.idempotent.check(theatre, one, {})).toThrow("count repeated: + counted");
    const onlyLarge = [{ ...REPEATS[0], when: ({ visitors }: { visitors?: number }) => (visitors ?? 0) > 5 }];
    const options = { repeats: onlyLarge as never };
    expect(() => DECIDER_LAWS.idempotent.check(theatre, one, options)).toThrow("count repeated");
  });

  it("a command that no case accepts is named", () => {
    expect(neverAccepted(theatre, CASES, theatre.commandTypes)).toEqual([]);
    expect(neverAccepted(theatre, CASES.slice(1), theatre.commandTypes)).toEqual(["book"]);
  });

  it("an exception that no command needs is named", () => {
    expect(needlessExceptions(theatre, CASES, { repeats: REPEATS })).toEqual([]);
    const tooMany = { repeats: [...REPEATS, { type: "book", reason: "It seemed so." } as const] };
    expect(needlessExceptions(theatre, CASES, tooMany)).toEqual(["book: It seemed so."]);
  });
});

describe("given, when, then", () => {
  it("follows an aggregate from command to command", () => {
    const full = given(theatre, booked("a")).when(book("b")).thenAppended(booked("b"));
    expect(full.state).toEqual({ seats: ["a", "b"], visitors: 0 });
    full.when(book("b")).thenUnchanged();
    full.when(book("z")).thenRejected("UNAVAILABLE", { message: "seat z is broken", retryable: false });
    expect(full.and(counted(3)).when(count(2)).thenAppended("bioxen.theatre.counted.v1").state).toEqual({
      seats: ["a", "b"],
      visitors: 5,
    });
    expect([book("a"), book("c"), book("z")].map((command) => full.when(command).outcome)).toEqual([
      "=",
      "+ booked",
      "! UNAVAILABLE",
    ]);
  });

  it("fails with the command, its past and the difference", () => {
    const empty = given(theatre);
    const past = given(theatre, booked("a"));
    expect(() => past.when(book("a")).thenAppended(booked("a"))).toThrow(
      "book after [bioxen.theatre.booked.v1] changed nothing, expected bioxen.theatre.booked.v1",
    );
    expect(() => empty.when(book("b")).thenAppended(booked("c"))).toThrow("deeply equal");
    expect(() => empty.when(book("b")).thenAppended("bioxen.theatre.counted.v1")).toThrow("book after []");
    expect(() => empty.when(book("b")).thenUnchanged()).toThrow("appends no event");
    expect(() => empty.when(book("z")).thenUnchanged()).toThrow(
      "was rejected: UNAVAILABLE: seat z is broken",
    );
    expect(() => empty.when(book("b")).thenRejected("UNAVAILABLE")).toThrow(
      "was accepted (+ booked), expected ! UNAVAILABLE",
    );
    expect(() => empty.when(book("z")).thenRejected("CONFLICT")).toThrow("book after []");
  });
});
