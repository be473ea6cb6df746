"""What goes out: in order, once, over any number of connections."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from antiphon.protocol.journal import Journal


def take_all(journal):
    taken = []
    while (message := journal.take()) is not None:
        journal.handed_over()
        taken.append(message)
    return taken


def filled(*messages, **bounds):
    journal = Journal(**bounds)
    for message in messages:
        journal.put(message)
    return journal


class JournalAgainstAList(RuleBasedStateMachine):
    """The model: one list of everything that was put, and for each what became of it.

    ``cleared`` messages are those that nothing sends again; live audio over the bound is dropped
    from the front of what waits, as many whole messages as it takes.
    """

    max_live_s = 3.0

    def __init__(self):
        super().__init__()
        self.journal = Journal(max_live_s=self.max_live_s, transparent=True)
        self.unsent = []  # (number, live_s that may be dropped, audio)
        self.kept = []
        self.known = set()  # to the handle
        self.answered = set()
        self.in_hand = None
        self.question = 0
        self.handed = 0
        self.dropped_s = 0.0
        self.tellings = set()
        self.places = {}  # of what was handed over, on its connection
        self.was_again = set()
        self.number = 0

    def fresh(self, live_s, audio):
        self.number += 1
        return self.number, live_s, audio

    @rule(live_s=st.sampled_from([0.0, 0.5, 1.0]), waits=st.booleans())
    def put(self, live_s, waits):
        entry = self.fresh(0.0 if waits else live_s, audio=live_s > 0)
        self.journal.put(
            str(entry[0]).encode(),
            asks=not entry[2],
            realtime=entry[2],
            live_s=live_s,
            waits=waits,
        )
        self.unsent.append(entry)
        while entry[1] and sum(e[1] for e in self.unsent) > self.max_live_s:
            oldest = next(e for e in self.unsent if e[1])
            self.unsent.remove(oldest)
            self.dropped_s += oldest[1]

    @precondition(lambda self: not self.unsent and self.in_hand is None)
    @rule(live_s=st.sampled_from([0.0, 0.5]), waits=st.booleans(), left=st.booleans())
    def put_written(self, live_s, waits, left):
        assert self.journal.is_idle()
        entry = self.fresh(0.0 if waits else live_s, audio=True)
        message = str(entry[0]).encode()
        self.journal.put_written(message, live_s=live_s, waits=waits, left=left)
        if left:
            self.hand_over(entry)
        else:
            self.in_hand = entry

    @rule()
    def tell_first(self):
        entry = self.fresh(0.0, audio=True)
        self.journal.tell_first(str(entry[0]).encode(), once=False)
        self.unsent = [entry] + [each for each in self.unsent if each[0] not in self.tellings]
        self.tellings.add(entry[0])

    @rule()
    def take(self):
        if self.in_hand is None and self.unsent:
            self.in_hand = self.unsent.pop(0)
        expected = None if self.in_hand is None else str(self.in_hand[0]).encode()
        assert self.journal.take() == expected

    @rule()
    def handed_over(self):
        self.journal.handed_over()
        if self.in_hand is not None:
            self.hand_over(self.in_hand)
            self.in_hand = None

    def hand_over(self, entry):
        self.kept.append(entry)
        self.handed += 1
        self.places[entry[0]] = self.handed

    @rule(consumed=st.integers(-1, 12))
    def acknowledge(self, consumed):
        self.journal.acknowledge(consumed)
        self.known |= {e[0] for e in self.kept if self.places[e[0]] <= consumed}
        self.forget()

    @rule()
    def mark_question(self):
        self.journal.mark_question()
        self.question = len(self.kept)

    @rule()
    def forget_question(self):
        self.journal.forget_question()
        self.answered |= {e[0] for e in self.kept[: self.question]}
        self.forget()

    def forget(self):
        """What neither the session with the handle nor a new one could ask for."""
        done = {e[0] for e in self.kept if e[0] in self.known & self.answered}
        self.question -= sum(e[0] in done for e in self.kept[: self.question])
        self.kept = [e for e in self.kept if e[0] not in done]

    @rule(send_again=st.booleans(), with_handle=st.booleans())
    def lose_and_resume(self, send_again, with_handle):
        again = [(number, 0.0, audio) for number, _, audio in self.kept] if send_again else []
        self.journal.rewind(send_again=send_again)
        in_hand = [] if self.in_hand is None else [self.in_hand]
        waits = in_hand + self.unsent
        old = [e for e in waits if e[0] in self.was_again]
        assert self.journal.going_again() == len(again) + len(old)
        self.journal.leave_out(known=with_handle, answered=not with_handle)
        left_out = self.known if with_handle else self.answered
        first = [e for e in again + old if e[0] in left_out]
        self.unsent = [e for e in again + waits if e not in first]
        self.kept = [e for e in first if e[0] not in self.answered]
        self.known = {e[0] for e in self.kept}
        self.places = {e[0]: 0 for e in self.kept}
        self.was_again |= {e[0] for e in again}
        self.in_hand, self.handed, self.question = None, 0, 0

    @rule()
    @precondition(lambda self: self.number > 20)
    def clear(self):
        self.journal.clear()
        self.unsent, self.kept, self.in_hand = [], [], None

    @invariant()
    def agrees(self):
        waiting = self.unsent + ([] if self.in_hand is None else [self.in_hand])
        spared = self.tellings | self.was_again
        assert self.journal.crowd == sum(not e[1] and e[0] not in spared for e in waiting)
        journal = self.journal
        assert len(journal) == len(self.unsent) + (self.in_hand is not None)
        assert journal.handed == self.handed
        assert journal.dropped_live_s == self.dropped_s
        assert journal.unanswered == any(
            not audio and number not in self.answered for number, _, audio in self.kept
        )
        assert journal.forgotten == 0

    def teardown(self):
        """Whatever happened: the rest comes out whole and in order."""
        expected = [str(e[0]).encode() for e in [self.in_hand, *self.unsent] if e is not None]
        assert take_all(self.journal) == expected


TestJournalAgainstAList = JournalAgainstAList.TestCase
TestJournalAgainstAList.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_a_message_in_hand_goes_again_when_the_connection_is_lost():
    journal = filled(b"a", b"b")
    assert journal.take() == b"a"
    journal.rewind(send_again=False)
    assert journal.going_again() == 0  # it was not handed over
    assert take_all(journal) == [b"a", b"b"]


def test_at_least_once_sends_what_was_handed_over_again_before_what_waits():
    journal = filled(b"a", b"b")
    assert take_all(journal) == [b"a", b"b"]
    journal.put(b"c")
    journal.rewind(send_again=True)
    assert journal.going_again() == 2
    assert take_all(journal) == [b"a", b"b", b"c"]


def test_at_most_once_does_not():
    journal = filled(b"a")
    take_all(journal)
    journal.put(b"b")
    journal.rewind(send_again=False)
    assert journal.going_again() == 0
    assert take_all(journal) == [b"b"]


def test_an_answer_clears_its_question_and_not_the_next_one():
    journal = filled(b"question")
    take_all(journal)
    journal.mark_question()
    journal.put(b"next question")
    take_all(journal)
    journal.forget_question()
    assert journal.unanswered
    journal.rewind(send_again=True)
    assert journal.going_again() == 1
    assert take_all(journal) == [b"next question"]


def test_behind_a_long_file_the_microphone_is_kept_as_long_as_before_it():
    journal = Journal(max_kept_live_s=1.0)
    file = [b"file %d" % number for number in range(3_000)]
    voice = [b"voice %d" % number for number in range(200)]
    for packet in voice[:30]:
        journal.put_written(packet, live_s=0.02)
    for packet in file:
        journal.put_written(packet)
    for packet in voice[30:]:
        journal.put_written(packet, live_s=0.02)
    assert journal.forgotten == 150
    journal.rewind(send_again=True)
    assert take_all(journal) == file + voice[150:]


def test_numbers_begin_anew_with_each_connection():
    journal = filled(b"a", b"b", b"c")
    take_all(journal)
    journal.acknowledge(2)
    journal.rewind(send_again=True)
    assert journal.going_again(known=True) == 1
    journal.leave_out(known=True, answered=False)
    journal.put(b"d")
    assert take_all(journal) == [b"c", b"d"]
    journal.acknowledge(1)  # of this connection: c
    journal.rewind(send_again=True)
    journal.leave_out(known=True, answered=False)
    assert take_all(journal) == [b"d"]
    journal.rewind(send_again=True)
    journal.leave_out(known=False, answered=True)  # a new session: it knows nothing
    assert take_all(journal) == [b"a", b"b", b"c", b"d"]


def test_what_a_new_session_needs_is_kept_though_nothing_is_sent_again():
    journal = Journal()
    journal.put(b"history", asks=False, needed=True)
    journal.put(b"question")
    take_all(journal)
    journal.rewind(send_again=False)
    journal.leave_out(known=True, answered=False)
    assert take_all(journal) == [b"history"]  # the handle was there before it
    journal.acknowledge(journal.handed)
    journal.rewind(send_again=False)
    journal.leave_out(known=True, answered=False)
    assert take_all(journal) == []
    journal.rewind(send_again=False)
    journal.leave_out(known=False, answered=True)
    assert take_all(journal) == [b"history"]


def test_transparent_live_audio_is_bounded_once_it_is_acknowledged_and_not_before():
    journal = Journal(max_kept_live_s=0.5, transparent=True)
    for number in range(5):
        journal.put(str(number).encode(), asks=False, realtime=True, live_s=0.25)
    take_all(journal)
    assert journal.forgotten == 0
    journal.acknowledge(4)
    assert journal.forgotten == 2
    journal.rewind(send_again=True)
    journal.leave_out(known=False, answered=True)
    assert take_all(journal) == [b"2", b"3", b"4"]


def test_durations_that_do_not_add_up_to_nothing_cost_no_packet():
    """0.1 s three times, and three times less, is more than nothing."""
    journal = Journal(max_kept_live_s=0.0, transparent=True)
    for number in range(5):
        journal.put(str(number).encode(), asks=False, realtime=True, live_s=0.1)
    take_all(journal)
    journal.acknowledge(3)
    assert journal.forgotten == 3
    journal.rewind(send_again=True)
    assert take_all(journal) == [b"3", b"4"]


def test_only_live_audio_is_dropped_when_it_waits_too_long():
    journal = Journal(max_live_s=1.0)
    journal.put(b"typed")
    journal.put(b"file", asks=False, realtime=True)
    for number in range(15):
        journal.put(str(number).encode(), asks=False, realtime=True, live_s=0.25)
    assert take_all(journal) == [b"typed", b"file", b"11", b"12", b"13", b"14"]
    assert journal.dropped_live_s == 11 * 0.25


def test_the_bound_of_live_audio_holds_for_packets_of_any_length():
    journal = Journal(max_live_s=1.0)
    for _ in range(10):
        journal.put(b"short", asks=False, realtime=True, live_s=0.125)
    for _ in range(4):
        journal.put(b"long", asks=False, realtime=True, live_s=0.5)
    assert take_all(journal) == [b"long", b"long"]
    assert journal.dropped_live_s == 10 * 0.125 + 2 * 0.5


def test_what_goes_again_is_not_dropped_and_does_not_count_as_waiting():
    """A break may come with all the seconds kept that may be: they were on the way once."""
    journal = Journal(max_live_s=1.0, max_kept_live_s=1.0)
    for number in range(4):
        journal.put(str(number).encode(), asks=False, realtime=True, live_s=0.25)
    take_all(journal)
    for number in range(4, 8):
        journal.put(str(number).encode(), asks=False, realtime=True, live_s=0.25)
    assert journal.take() == b"4"
    journal.rewind(send_again=True)
    assert journal.going_again() == 4
    assert journal.dropped_live_s == 0.0
    journal.put(b"8", asks=False, realtime=True, live_s=0.25)
    assert journal.dropped_live_s == 0.25
    assert take_all(journal) == [b"0", b"1", b"2", b"3", b"5", b"6", b"7", b"8"]


def test_of_what_is_too_much_the_oldest_goes_whatever_it_is():
    """A handle knows all up to one of them, so that nothing between may be missing."""
    for first, second in ((0.0, 0.02), (0.02, 0.0)):
        journal = Journal(max_kept_bytes=9)
        for message, live_s in ((b"first", first), (b"other", second)):
            journal.put(message, live_s=live_s)
        take_all(journal)
        journal.rewind(send_again=True)
        assert take_all(journal) == [b"other"]


def test_of_what_is_too_much_a_question_goes_last():
    journal = Journal(max_kept_bytes=35)
    journal.put(b"history", asks=False, needed=True)
    journal.put(b"question")
    for number in range(10):
        journal.put(b"part of a file" + str(number).encode(), asks=False, realtime=True)
    take_all(journal)
    assert (journal.given_up, journal.forgotten) == (9, 9)
    assert journal.unanswered
    assert not journal.lost
    journal.put(b"another question")
    take_all(journal)
    assert not journal.lost
    journal.put(b"one more")
    journal.put(b"and one")
    take_all(journal)
    assert (journal.given_up, journal.forgotten) == (12, 12)
    assert not journal.lost  # others will be asked again
    journal.put(b"a question of more than all that is kept")
    take_all(journal)
    assert journal.lost
    journal.rewind(send_again=True)
    assert take_all(journal) == []
    assert not journal.lost


def test_what_is_given_up_while_an_answer_runs_outlives_its_end():
    journal = filled(b"question", max_kept_bytes=20)
    take_all(journal)
    journal.mark_question()
    journal.put(b"file" * 3, asks=False)
    journal.put(b"a question that is too long")
    take_all(journal)
    assert (journal.given_up, journal.lost) == (3, True)
    journal.mark_question(journal.handed - 1)
    journal.forget_question()
    assert (journal.given_up, journal.lost) == (0, False)


def test_of_many_questions_the_oldest_is_given_up_without_looking_through_all():
    journal = Journal(max_kept_bytes=1_000)
    for _ in range(1_000):
        journal.put(b"?")
    journal.put(b"no question", asks=False)
    take_all(journal)
    assert (journal.given_up, journal.unanswered) == (11, True)


def test_transparent_what_the_handle_knows_was_not_given_up():
    journal = Journal(max_kept_bytes=10, transparent=True)
    for number in range(5):
        journal.put(b"four")
        take_all(journal)
        journal.acknowledge(number + 1)
    assert (journal.given_up, journal.lost, journal.forgotten) == (0, False, 3)


def test_of_images_the_last_ones_go_again_and_all_of_a_question():
    journal = Journal()

    def show(numbers):
        for number in numbers:
            journal.put(f"image {number}".encode(), asks=False, realtime=True, still=True)
            journal.put(f"words {number}".encode())
            take_all(journal)

    show(range(12))
    journal.mark_question()
    show(range(12, 40))
    assert journal.forgotten == 20
    journal.rewind(send_again=True)
    again = [message.decode() for message in take_all(journal)]
    assert again[0] == "words 0"
    shown = [int(message.split()[1]) for message in again if message.startswith("image")]
    assert shown == [*range(2, 12), *range(30, 40)]
    assert len(again) == 60


def test_transparent_images_are_kept_until_they_are_known():
    journal = Journal(transparent=True)
    for number in range(15):
        journal.put(str(number).encode(), asks=False, realtime=True, still=True)
        take_all(journal)
    assert journal.forgotten == 0
    journal.acknowledge(2)
    assert journal.forgotten == 2
    journal.rewind(send_again=True)
    assert journal.going_again() == 13


def test_what_a_session_knows_stays_in_its_order_for_one_that_does_not():
    messages = [str(number).encode() for number in range(6)]
    journal = Journal()
    for number, message in enumerate(messages):
        journal.put(message, live_s=0.02 * (number % 2))
    take_all(journal)
    journal.acknowledge(5)
    journal.rewind(send_again=True)
    journal.leave_out(known=True, answered=False)
    assert take_all(journal) == messages[5:]
    journal.rewind(send_again=True)
    journal.leave_out(known=False, answered=True)
    assert take_all(journal) == messages


def test_what_is_kept_has_a_bound_in_bytes_and_in_live_seconds():
    journal = filled(b"12345", b"67890", max_kept_bytes=9)
    take_all(journal)
    journal.rewind(send_again=True)
    assert (journal.forgotten, journal.going_again()) == (1, 1)
    journal = Journal(max_kept_live_s=0.5)
    for _ in range(3):
        journal.put(b"x", asks=False, realtime=True, live_s=0.25)
    take_all(journal)
    journal.rewind(send_again=True)
    assert (journal.forgotten, journal.going_again()) == (1, 2)


def test_what_came_after_a_question_that_is_marked_late_has_its_bound_too():
    journal = filled(b"question", max_kept_live_s=0.5)
    for number in range(4):
        journal.put(str(number).encode(), asks=False, realtime=True, live_s=0.25)
        take_all(journal)
        journal.mark_question(1)
    assert journal.forgotten == 2
    journal.rewind(send_again=True)
    assert take_all(journal) == [b"question", b"2", b"3"]


def test_a_question_is_kept_however_long_the_microphone_stays_open():
    """Typed or spoken: an answer may take longer than the seconds that are kept."""
    journal = Journal(max_kept_live_s=1.0)
    journal.put(b"spoken", asks=False, realtime=True, live_s=0.75)
    journal.put(b"typed")
    take_all(journal)
    journal.mark_question()
    for number in range(20):
        journal.put(str(number).encode(), asks=False, realtime=True, live_s=0.25)
    take_all(journal)
    assert journal.unanswered
    journal.rewind(send_again=True)
    assert take_all(journal) == [b"spoken", b"typed", b"16", b"17", b"18", b"19"]


def test_a_typed_question_outlives_the_audio_that_is_sent_while_it_waits():
    journal = Journal(max_kept_live_s=1.0)
    journal.put(b"typed")
    for number in range(20):
        journal.put(str(number).encode(), asks=False, realtime=True, live_s=0.25)
    take_all(journal)
    journal.rewind(send_again=True)
    assert take_all(journal) == [b"typed", b"16", b"17", b"18", b"19"]


def test_what_is_for_one_connection_goes_to_no_other_wherever_it_stands():
    journal = filled(b"history")
    for message in (b"taken", b"in hand", b"waiting"):
        journal.put(message, once=True)
    journal.put(b"question")
    for message in (b"history", b"taken"):
        assert journal.take() == message
        journal.handed_over()
    assert journal.take() == b"in hand"
    assert journal.handed == 2
    journal.rewind(send_again=True)
    assert journal.going_again() == 1
    assert take_all(journal) == [b"history", b"question"]
