// The keys, and the switch for people whose tools send letters by themselves.

import { Dialog } from "../ui/Dialog";
import { SHORTCUTS } from "./shortcuts";

interface Props {
  enabled: boolean;
  onEnable: (enabled: boolean) => void;
  onClose: () => void;
}

export function HelpDialog({ enabled, onEnable, onClose }: Props) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className="keys">
        {SHORTCUTS.map(({ key, words }) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>esc</kbd>
          </dt>
          <dd>Close the panel</dd>
        </div>
      </dl>
      <label className="check">
        <input type="checkbox" checked={enabled} onChange={(event) => onEnable(event.target.checked)} />
        Single keys work
      </label>
    </Dialog>
  );
}
