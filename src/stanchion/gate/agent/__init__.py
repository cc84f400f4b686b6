"""The agent: runs in the project's own interpreter, beside the app, and says what it sees.

It imports the standard library and, once the app has, what the app imported. Its modules import each
other relatively, because here the package has another name: `stanchion.gate.process` starts it by path.
"""
