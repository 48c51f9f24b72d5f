// The versions of a broadcast that there are to choose from, by names that people know.

/** What a playlist says of one. */
export interface Version {
  /** 0 for sound alone. */
  height: number;
  bitrate: number;
}

export interface Rendition {
  /** Where it stands in the playlist. */
  index: number;
  name: string;
}

/** The best one first. Where two have the same height, the bitrate tells them apart. */
export function renditionsOf(versions: readonly Version[]): Rendition[] {
  const isAlone = ({ height }: Version) => versions.filter((other) => other.height === height).length === 1;
  const name = (version: Version) => {
    const size = version.height > 0 ? `${version.height}p` : "Sound";
    return isAlone(version) ? size : `${size}, ${Math.round(version.bitrate / 1_000)} kbit/s`;
  };
  return versions
    .map((version, index) => ({ version, index }))
    .sort((one, other) => other.version.height - one.version.height || other.version.bitrate - one.version.bitrate)
    .map(({ version, index }) => ({ index, name: name(version) }));
}
