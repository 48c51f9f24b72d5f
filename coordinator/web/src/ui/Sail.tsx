// The mark: the sail of a by-the-wind sailor over its float.

import sail from "../sail.svg";

export function Sail() {
  return <img className="sail" src={sail} alt="" width="32" height="32" />;
}
