// Who is signed in sees the cluster. The token lives as long as the tab, and never stands in a link.

import { useMemo, useState } from "react";
import { Api } from "./api";
import { Console } from "./Console";
import { SignIn } from "./SignIn";

const KEY = "velella.management-token";

export function Admin() {
  const [token, setToken] = useState(() => sessionStorage.getItem(KEY));
  const [farewell, setFarewell] = useState("");
  const leave = (words: string) => {
    sessionStorage.removeItem(KEY);
    setFarewell(words);
    setToken(null);
  };
  const refused = "The server no longer takes this token. Sign in again.";
  // biome-ignore lint/correctness/useExhaustiveDependencies: leaving is the same for every token
  const api = useMemo(() => (token === null ? null : new Api(token, () => leave(refused))), [token]);
  if (api) return <Console api={api} onSignOut={() => leave("You signed out.")} />;
  const enter = (token: string) => {
    sessionStorage.setItem(KEY, token);
    setToken(token);
  };
  return <SignIn farewell={farewell} onSignIn={enter} />;
}
