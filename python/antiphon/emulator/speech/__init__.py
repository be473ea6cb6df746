"""Speaking and hearing: the jobs of `antiphon.emulator.session.jobs`, done by what is installed.

`synthesis` is the voice (`voices`: the service's), `recognition` the understanding. espeak-ng and
pocketsphinx run in processes of their own (`espeak_helper`, `recognition_worker`), and each kind of
job on threads of its own (`lane`).
"""
