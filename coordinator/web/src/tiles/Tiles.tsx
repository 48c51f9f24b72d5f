// Everyone's tiles, each where the layout puts it.

import type { Quality } from "../stats/quality";
import type { Face } from "./faces";
import { layout } from "./layout";
import { Tile } from "./Tile";
import { useBox } from "./useBox";
import "./tiles.css";

const GAP_PX = 10;

interface Props {
  faces: readonly Face[];
  stage: string | null;
  pinned: string | null;
  speaking: ReadonlySet<string>;
  qualities: ReadonlyMap<string, Quality>;
  onPin: (key: string) => void;
}

export function Tiles({ faces, stage, pinned, speaking, qualities, onPin }: Props) {
  const [ref, box] = useBox();
  const keys = faces.map(({ key }) => key);
  const places = layout(keys, stage, box, GAP_PX);
  return (
    <ul ref={ref} className="tiles" aria-label="People in this room" data-layout={stage === null ? "grid" : "stage"}>
      {faces.map((face) => (
        <Tile
          key={face.key}
          face={face}
          place={places.get(face.key) ?? null}
          staged={face.key === stage}
          pinned={face.key === pinned}
          speaking={face.kind !== "screen" && speaking.has(face.person.id)}
          quality={qualities.get(face.person.id)}
          onPin={onPin}
        />
      ))}
    </ul>
  );
}
