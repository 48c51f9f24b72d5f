// A second look before something that cannot be taken back.

import type { FormEvent, ReactNode } from "react";
import { Dialog } from "../ui/Dialog";
import { useDeed } from "./useDeed";

interface Props {
  title: string;
  action: string;
  act: () => Promise<unknown>;
  onDone: () => void;
  onClose: () => void;
  children: ReactNode;
}

export function Confirm({ title, action, act, onDone, onClose, children }: Props) {
  const deed = useDeed();
  // A window that is closed, not merely gone, gives the focus back to where it was.
  const close = (inside: Element) => inside.closest("dialog")?.close();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    if (!(await deed.run(act))) return;
    close(form);
    onDone();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form className="form" onSubmit={(event) => void submit(event)}>
        {children}
        <p className="notice" role="alert">
          {deed.trouble}
        </p>
        <div className="actions">
          <button type="submit" className="primary grave" disabled={deed.busy}>
            {action}
          </button>
          <button type="button" className="secondary" onClick={({ currentTarget }) => close(currentTarget)}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
