"""The one exception that carries a sentence fit for a person."""


class InputError(ValueError):
    """What the user gave cannot be used; the text says what is wrong and what to do.

    Commands print it as one line and exit with status 2; the app shows it as a message.
    """
