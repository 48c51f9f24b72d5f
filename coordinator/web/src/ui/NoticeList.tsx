// Where notices appear. Always in the page, so that screen readers watch it.

import { useNotices } from "./notices";

export function NoticeList() {
  const notices = useNotices();
  return (
    <div className="notices" role="status" aria-live="polite">
      {notices.map(({ id, text }) => (
        <p key={id}>{text}</p>
      ))}
    </div>
  );
}
