// A window over the page: the browser keeps the focus inside it and closes it on Escape.

import { type ReactNode, useEffect, useId, useRef } from "react";
import { IconButton } from "./IconButton";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
}

export function Dialog({ title, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    dialog.current?.showModal();
    // Otherwise the first thing in it is "close".
    dialog.current?.focus();
  }, []);
  return (
    <dialog ref={dialog} className="dialog" tabIndex={-1} aria-labelledby={heading} onClose={onClose}>
      <header>
        <h2 id={heading}>{title}</h2>
        <IconButton icon="close" label="Close" quiet onClick={() => dialog.current?.close()} />
      </header>
      {children}
    </dialog>
  );
}
