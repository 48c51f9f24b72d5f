// Everyone by name: raised hands first, with what a moderator may do.

import { Panel } from "../room/Panel";
import { hueOf, initials, type Person, raisedHands } from "../room/person";
import type { Moderation } from "../room/useModeration";
import { QUALITY_WORDS, type Quality } from "../stats/quality";
import type { RoomView } from "../tiles/useView";
import { IconButton } from "../ui/IconButton";
import { Icon } from "../ui/icons";
import "./people.css";

interface Props {
  people: readonly Person[];
  speaking: ReadonlySet<string>;
  qualities: ReadonlyMap<string, Quality>;
  moderation: Moderation | null;
  view: RoomView;
  close: () => void;
}

export function PeoplePanel({ people, speaking, qualities, moderation, view, close }: Props) {
  const hands = raisedHands(people);
  const rest = people.filter(({ hand }) => hand === null);
  return (
    <Panel name="people" title="People" close={close}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a list that scrolls must be reachable by keys */}
      <ul className="persons" tabIndex={0} aria-label="Everyone here">
        {[...hands, ...rest].map((person) => (
          <li key={person.id} className={speaking.has(person.id) ? "speaking" : undefined}>
            <span className="dot" style={{ "--hue": hueOf(person.id) } as object} aria-hidden="true">
              {initials(person.name)}
            </span>
            <span className="who">
              <span className="name">{person.own ? `${person.name} (you)` : person.name}</span>
              <Facts person={person} turn={hands.indexOf(person) + 1} quality={qualities.get(person.id)} />
            </span>
            <Actions person={person} moderation={moderation} view={view} />
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** `turn`: the place among the raised hands, from 1; 0 for a hand that is down. */
function Facts({ person, turn, quality }: { person: Person; turn: number; quality: Quality | undefined }) {
  const facts = [
    turn > 0 && `hand raised, ${turn === 1 ? "first" : `number ${turn}`}`,
    person.moderator && "moderator",
    person.muted && "muted",
    quality && quality !== "good" && QUALITY_WORDS[quality],
  ].filter(Boolean);
  if (facts.length === 0) return null;
  return (
    <span className="facts">
      {turn > 0 && <Icon name="hand" />}
      {facts.join(" · ")}
    </span>
  );
}

function Actions({ person, moderation, view }: { person: Person; moderation: Moderation | null; view: RoomView }) {
  const { id, name, own, muted } = person;
  const pinned = view.pinned === id;
  return (
    <span className="acts">
      <IconButton
        icon="pin"
        label={pinned ? `Unpin ${name}` : `Pin ${name}`}
        quiet
        pressed={pinned}
        onClick={() => view.pin(id)}
      />
      {moderation && !own && (
        <>
          <IconButton
            icon="microphoneOff"
            label={`Mute ${name}`}
            quiet
            disabled={muted}
            onClick={() => moderation.mute(person)}
          />
          <IconButton icon="kick" label={`Remove ${name}`} quiet onClick={() => void moderation.kick(person)} />
        </>
      )}
    </span>
  );
}
