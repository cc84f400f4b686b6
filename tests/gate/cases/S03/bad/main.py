from fastapi import FastAPI

SIGNING_KEY = """
-----BEGIN RSA PRIVATE KEY-----
THISxISxNOxKEYxANDxSIGNSxNOTHINGxITxISxHERExFORxAxTESTxOFxTHExGATE
THISxISxNOxKEYxANDxSIGNSxNOTHINGxITxISxHERExFORxAxTESTxOFxTHExGATE
-----END RSA PRIVATE KEY-----
"""
app = FastAPI()


@app.get("/things")
def things() -> list[str]:
    return []
