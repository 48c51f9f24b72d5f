// A button that is an icon with a label for those who cannot see it, and a tip for those who wonder.

import type { ReactNode, Ref } from "react";
import { Icon, type IconName } from "./icons";

interface Props {
  icon: IconName;
  label: string;
  onClick: () => void;
  /** Key that does the same. */
  shortcut?: string;
  /** The device is off, the state is a warning. */
  off?: boolean;
  /** A panel or a state that this button holds open. */
  pressed?: boolean | undefined;
  /** Without a frame, for bars that are not the main one. */
  quiet?: boolean;
  disabled?: boolean;
  className?: string;
  children?: ReactNode;
  ref?: Ref<HTMLButtonElement>;
}

export function IconButton(props: Props) {
  const { icon, label, onClick, shortcut, off, pressed, quiet, disabled, className, children, ref } = props;
  const classes = [quiet ? "quiet" : "round", off && "off", pressed && "pressed", className].filter(Boolean).join(" ");
  return (
    <button
      ref={ref}
      type="button"
      className={classes}
      aria-label={label}
      aria-pressed={pressed}
      aria-keyshortcuts={shortcut}
      title={shortcut ? `${label} (${shortcut.toUpperCase()})` : label}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} />
      {children}
    </button>
  );
}
