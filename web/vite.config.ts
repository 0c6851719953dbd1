// Builds the two pages into dist/, which the node serves; relative URLs keep them working behind a path prefix.
import { defineConfig } from 'vite';

// Where `npm run dev` finds a node: pages come from Vite, signalling and /dev endpoints from there.
const node = 'http://127.0.0.1:7880';

export default defineConfig({
  base: './',
  build: {
    target: 'es2022',
    // livekit-client alone is about 600 kB, in a file of its own that browsers keep between releases of the page.
    chunkSizeWarningLimit: 800,
    rolldownOptions: {
      input: ['index.html', 'join.html'],
      output: { codeSplitting: { groups: [{ name: 'livekit', test: /node_modules/ }] } },
    },
  },
  server: {
    proxy: {
      '/dev/': node,
      '/v1/': node,
      '/rtc': { target: node, ws: true },
    },
  },
});
