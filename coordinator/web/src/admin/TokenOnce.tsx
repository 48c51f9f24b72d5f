// A token that is shown now and never again.

import { useState } from "react";

export function TokenOnce({ token, url }: { token: string; url?: string | undefined }) {
  const [said, setSaid] = useState("");
  const copy = () => {
    const done = navigator.clipboard?.writeText(token) ?? Promise.reject(new Error("no clipboard"));
    void done.then(
      () => setSaid("Copied."),
      () => setSaid("The browser does not let the page copy. Select the token and copy it."),
    );
  };
  return (
    <div className="form">
      <p>Whoever holds this token is this peer. It is not shown again.</p>
      <textarea className="code" aria-label="Peer token" readOnly rows={5} value={token} />
      {url && (
        <p className="small soft">
          It connects to <span className="code">{url}</span>
        </p>
      )}
      <button type="button" className="primary" onClick={copy}>
        Copy the token
      </button>
      <p className="small" role="status">
        {said}
      </p>
    </div>
  );
}
