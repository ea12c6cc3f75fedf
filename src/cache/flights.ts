// All flights of a node, by source key. Promises: one shared flight per variant of a source; a purge reaches those in the air.

import type { HeaderList } from '../wire/headers.ts';
import { Flight } from './flight.ts';
import type { FlightHouse, FlightOrder, FlightWaiter } from './flight-contract.ts';

export class Flights {
  readonly #bySource = new Map<string, Flight[]>();
  #count = 0;

  /** Flights in the air. */
  get count(): number {
    return this.#count;
  }

  /** The flight that a request with these fields may join, or undefined. */
  find(sourceKey: string, fields: HeaderList): Flight | undefined {
    const flights = this.#bySource.get(sourceKey);
    if (flights === undefined) return undefined;
    for (const flight of flights) if (flight.takes(fields)) return flight;
    return undefined;
  }

  start(order: FlightOrder, house: FlightHouse, starter: FlightWaiter | undefined): Flight {
    const flight = new Flight(order, house, starter);
    const flights = this.#bySource.get(order.sourceKey);
    if (flights === undefined) this.#bySource.set(order.sourceKey, [flight]);
    else flights.push(flight);
    this.#count += 1;
    void flight.fly();
    return flight;
  }

  landed(flight: { readonly order: FlightOrder }): void {
    const flights = this.#bySource.get(flight.order.sourceKey);
    const at = flights?.indexOf(flight as Flight) ?? -1;
    if (flights === undefined || at < 0) return;
    flights.splice(at, 1);
    if (flights.length === 0) this.#bySource.delete(flight.order.sourceKey);
    this.#count -= 1;
  }

  /** A purge of the source: what is in the air began before it. */
  overtake(sourceKey: string): void {
    for (const flight of this.#bySource.get(sourceKey) ?? []) flight.overtake();
  }

  cancel(): void {
    for (const flights of this.#bySource.values()) for (const flight of flights) flight.cancel();
  }
}
