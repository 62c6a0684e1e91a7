package athenatrail

import "time"

// States of a notice.
const (
	NoticeWaiting = "waiting"  // to be sent
	NoticeClaimed = "claimed"  // a process is sending it, or was and ended in the middle
	NoticeSent    = "sent"     // the channel took it
	NoticeGivenUp = "given_up" // it could not be sent; Error says why
)

// A Notice is what athenatrail tells, or told, on one channel. Its key is
// MessageKey and Channel; it lies on the day of About. Unlike other facts it is
// of no record: it is the message itself, kept until it is sent and after.
type Notice struct {
	Home Partition `parquet:"-"`

	// MessageKey tells the message from all others. Whoever makes the same
	// message again gives it the same key and the same About.
	MessageKey string    `parquet:"message_key"`
	Channel    string    `parquet:"channel"` // its name in the configuration
	Kind       string    `parquet:"kind"`
	About      time.Time `parquet:"about_time,timestamp(millisecond:local)"` // when what it tells of began

	Person      string `parquet:"person,optional"`
	Team        string `parquet:"team,optional"`
	SubjectKind string `parquet:"subject_kind,optional"`
	Subject     string `parquet:"subject,optional"`
	LimitName   string `parquet:"limit_name,optional"`

	State    string    `parquet:"state"`
	Queued   time.Time `parquet:"queued_at,timestamp(millisecond:local)"`
	Claimed  time.Time `parquet:"claimed_at,optional,timestamp(millisecond:local)"`
	Claimant string    `parquet:"claimed_by,optional"` // the run that sends it

	// Attempts is how often sending was begun, First when for the first time.
	Attempts int64     `parquet:"attempts"`
	First    time.Time `parquet:"first_attempt_at,optional,timestamp(millisecond:local)"`
	NotUntil time.Time `parquet:"not_before,optional,timestamp(millisecond:local)"` // after an attempt that failed
	Error    string    `parquet:"error,optional"`                                   // of the last attempt

	Sent      time.Time `parquet:"sent_at,optional,timestamp(millisecond:local)"`
	Recipient string    `parquet:"recipient,optional"` // whom the channel gave it to, as far as it tells

	// Message is the message as JSON, without SQL.
	Message string `parquet:"message"`
}
