// A labelled field of a form.

import { type ReactNode, useId } from "react";

interface Props {
  label: string;
  hint?: string;
  /** What is wrong with what was typed; takes the place of the hint. */
  wrong?: string | undefined;
  children: (id: string) => ReactNode;
}

export function Field({ label, hint, wrong, children }: Props) {
  const id = useId();
  return (
    <div className="form-field">
      <label htmlFor={id}>{label}</label>
      {children(id)}
      {wrong ? <span className="notice">{wrong}</span> : hint && <span className="soft small">{hint}</span>}
    </div>
  );
}

export function Check({
  label,
  checked,
  onChange,
}: {
  label: string;
  checked: boolean;
  onChange: (on: boolean) => void;
}) {
  return (
    <label className="form-check">
      <input type="checkbox" checked={checked} onChange={({ target }) => onChange(target.checked)} /> {label}
    </label>
  );
}
