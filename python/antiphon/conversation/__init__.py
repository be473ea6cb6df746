"""A conversation: a session and a sound device, with barge-in, transcripts and a recording.

Read `conversation` for the whole, `uplink` and `downlink` for its two directions, `playback` for
how it is known what was heard, `verify` for how a recording is proved to hold what was sent.
"""

from antiphon.conversation.conversation import (
    Conversation,
    ConversationSession,
    EventSubscription,
)
from antiphon.conversation.events import (
    AnswerCut,
    AnswerDropped,
    AudioDropped,
    Event,
    Interrupted,
    ModelTranscript,
    RecordingFailed,
    ToolCalled,
    TurnComplete,
    TurnHeard,
    TurnSounded,
    UserStartedSpeaking,
    UserStoppedSpeaking,
    UserTranscript,
)
from antiphon.conversation.timeline import Timeline
from antiphon.conversation.transcript import Transcript, Utterance

__all__ = [
    "AnswerCut",
    "AnswerDropped",
    "AudioDropped",
    "Conversation",
    "ConversationSession",
    "Event",
    "EventSubscription",
    "Interrupted",
    "ModelTranscript",
    "RecordingFailed",
    "Timeline",
    "ToolCalled",
    "Transcript",
    "TurnComplete",
    "TurnHeard",
    "TurnSounded",
    "UserStartedSpeaking",
    "UserStoppedSpeaking",
    "UserTranscript",
    "Utterance",
]
