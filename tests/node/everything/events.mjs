// What a session has told, so that a client that was cut off hears the rest.

const MOST = 256;

export class Events {
  #told = [];
  #count = 0;

  async storeEvent(stream, message) {
    this.#count += 1;
    const id = `${stream}/${this.#count}`;
    this.#told.push({ id, stream, message });
    if (this.#told.length > MOST) this.#told.shift();
    return id;
  }

  async getStreamIdForEventId(id) {
    return this.#told.find((event) => event.id === id)?.stream;
  }

  // What came after `last` in the same stream; what begins a stream is no message and is left out.
  async replayEventsAfter(last, { send }) {
    const from = this.#told.findIndex((event) => event.id === last);
    if (from < 0) throw new Error("nothing is known of this event");
    const { stream } = this.#told[from];
    for (const event of this.#told.slice(from + 1)) {
      if (event.stream === stream && Object.keys(event.message).length > 0) await send(event.id, event.message);
    }
    return stream;
  }
}
