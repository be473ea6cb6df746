"""What the concierge knows about playing cards: a long answer for each of the 52."""

from __future__ import annotations

from antiphon.emulator.brains.numbers import NUMBER_WORDS, number_in_words, read_number
from antiphon.emulator.session.brain import Reply, Turn

__all__ = ["RANKS", "SUITS", "card"]

RANKS = (
    *("ace", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("jack", "queen", "king"),
)
SUITS = ("clubs", "diamonds", "hearts", "spades")

# What there is to say about a rank and a suit; together they make 52 answers.
_OF_RANK = {
    "ace": "The ace stands alone, sometimes the lowest card of the deck and sometimes the highest.",
    "two": "The two is the humblest of them all, and in some games it is wild.",
    "three": "Three is a lucky number in many countries, and a light card in most games.",
    "four": "A four is square and steady, like the legs of a good table.",
    "five": "With a five you stand in the middle of the small numbers.",
    "six": "In many card games of Europe, the six is where the deck begins.",
    "seven": "Seven has always been the number of luck, of wonders and of days.",
    "eight": "In one well known game, an eight may be played on anything at all.",
    "nine": "Nine is a strong number, and in baccarat no hand can beat it.",
    "ten": "Ten is the highest of the numbers, right below the jack.",
    "jack": "The jack was once a simple servant, and rose to sit beside the queen.",
    "queen": "The queen rules the table with patience, and she takes the jack.",
    "king": "The king is the highest of the court, and only an ace may trouble him.",
}
_OF_SUIT = {
    "clubs": "Clubs began as leaves of clover, and card players of old took them for luck.",
    "diamonds": "Diamonds once stood for the merchants, who counted everything twice.",
    "hearts": "Hearts were the clergy in the old decks, and the lovers in the new ones.",
    "spades": "Spades were swords at first, and they still cut deeper than the other suits.",
}
_CARD_END = "Shall I put it back into the deck for you?"


def card(words: list[str], turn: Turn) -> Reply | None:  # noqa: ARG001 - one signature for all
    """``ten of clubs``: at least six seconds about that card."""
    for at in range(len(words) - 2):
        rank, of, suit = words[at : at + 3]
        if of != "of" or suit not in SUITS:
            continue
        if rank not in RANKS:
            number = read_number([rank])
            if number is None or not 2 <= number[0] <= 10:
                continue
            rank = number_in_words(number[0])
        opening = f"The {rank} of {suit}."
        before = words[at - 1] if at else ""
        if before in NUMBER_WORDS:
            opening = f"I heard {before}, and then the {rank} of {suit}."
        return Reply(f"{opening} {_OF_RANK[rank]} {_OF_SUIT[suit]} {_CARD_END}")
    return None
