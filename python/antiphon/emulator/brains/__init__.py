"""Who answers: each implements `Brain` of `antiphon.emulator.session.brain`.

`concierge` is the default, by a table of phrases; it knows `numbers`, `cards` and how to call
`functions`. `script` follows a scenario file (`raw_audio` is its sound), `replay` a recording.
"""
