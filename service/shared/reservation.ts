/** What an agent says to a gateway that wants a slot of one of its models. */
export interface Reservation {
  /** Whether it keeps a slot free for the gateway's next request, for a moment. */
  reserved: boolean;
  /** Whether others want slots of that model too. */
  shared: boolean;
}
