// The by-the-wind sailor, on calm water: decoration.

export function Sailor() {
  return (
    <svg className="sailor" viewBox="0 0 640 520" aria-hidden="true" focusable="false">
      <defs>
        <linearGradient id="sail" x1="0.1" y1="1" x2="0.8" y2="0">
          <stop offset="0" stopColor="#2356e0" stopOpacity="0.95" />
          <stop offset="0.55" stopColor="#5b95f5" stopOpacity="0.85" />
          <stop offset="1" stopColor="#b8e4ff" stopOpacity="0.8" />
        </linearGradient>
        <linearGradient id="float" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stopColor="#3a6df0" />
          <stop offset="1" stopColor="#16308f" />
        </linearGradient>
        <linearGradient id="threads" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stopColor="#3a6df0" stopOpacity="0.9" />
          <stop offset="1" stopColor="#3a6df0" stopOpacity="0" />
        </linearGradient>
      </defs>
      <circle className="moon" cx="448" cy="132" r="86" />
      <g className="drift">
        <g className="threads" stroke="url(#threads)">
          <path d="M128 362c-12 22 6 34-6 58" />
          <path d="M462 362c10 20-8 32 2 54" />
          <path d="M160 372c-8 26 10 42-2 74" />
          <path d="M196 384c-4 30 14 46 2 86" />
          <path d="M236 391c-6 30 10 52 0 82" />
          <path d="M276 395c-4 34 12 58 2 100" />
          <path d="M316 395c4 34-10 54 0 94" />
          <path d="M356 391c6 28-8 52 4 84" />
          <path d="M394 383c4 28-10 44 0 76" />
          <path d="M430 371c6 22-8 36 2 62" />
        </g>
        <ellipse fill="url(#float)" cx="294" cy="346" rx="206" ry="46" />
        <g className="rim">
          <ellipse cx="294" cy="344" rx="182" ry="36" />
          <ellipse cx="294" cy="342" rx="152" ry="26" />
        </g>
        <path fill="url(#sail)" d="M146 338C166 206 256 94 416 62c62 88 66 190 16 276-92 26-194 26-286 0z" />
        <g className="veins">
          <path d="M186 348C218 226 290 130 416 62" />
          <path d="M238 356C262 246 318 150 416 62" />
          <path d="M296 358C314 262 350 164 416 62" />
          <path d="M356 354C370 266 388 172 416 62" />
          <path d="M186 270c78-30 176-44 264-36" />
          <path d="M232 202c64-26 140-38 214-36" />
        </g>
      </g>
      <g className="water">
        <path d="M0 372c40 0 40-12 80-12s40 12 80 12 40-12 80-12 40 12 80 12 40-12 80-12 40 12 80 12 40-12 80-12 40 12 80 12" />
        <path d="M0 418c40 0 40-12 80-12s40 12 80 12 40-12 80-12 40 12 80 12 40-12 80-12 40 12 80 12 40-12 80-12 40 12 80 12" />
        <path d="M0 464c40 0 40-12 80-12s40 12 80 12 40-12 80-12 40 12 80 12 40-12 80-12 40 12 80 12 40-12 80-12 40 12 80 12" />
      </g>
    </svg>
  );
}
