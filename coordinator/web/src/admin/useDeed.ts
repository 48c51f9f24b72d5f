// Something that is done once at the press of a button: it is under way, or it failed and says why.

import { useState } from "react";
import type { Failure } from "./api";

export interface Deed {
  busy: boolean;
  trouble: string;
  /** Runs it; resolves to whether it worked. */
  run: (act: () => Promise<unknown>) => Promise<boolean>;
}

export function useDeed(): Deed {
  const [state, setState] = useState({ busy: false, trouble: "" });
  const run = async (act: () => Promise<unknown>) => {
    setState({ busy: true, trouble: "" });
    try {
      await act();
      setState({ busy: false, trouble: "" });
      return true;
    } catch (failure) {
      setState({ busy: false, trouble: (failure as Failure).message });
      return false;
    }
  };
  return { ...state, run };
}
