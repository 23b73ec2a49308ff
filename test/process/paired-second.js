// paired-second.js: the second of two services on one log; see paired-service.js.

import { PairedService } from './paired-service.js';

export function createService() {
  return new PairedService(false);
}
