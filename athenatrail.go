// Package athenatrail holds the words that the program is written in: the
// events of a trail, the facts that a lake stores of them, and the rows that
// are derived from facts. It imports the standard library alone, and every
// other package imports it.
//
// A trail's log files hold records; the few of them that concern Athena become
// facts, one row per record, which are never changed by meaning. The Athena
// API adds details, which are facts too. All the facts of one UTC day of one
// account and region, a [Partition], give that day's table rows. So a row can
// always be computed again, from the lake alone.
//
//	log file -> Record -> Event, QueryText, RoleSession, DataAccess, SessionEvent   facts
//	Athena API -> Detail, QueryText                                                facts
//	facts of a Partition -> QueryExecution, Activity, UsageRollup                  tables
//
// Struct tags name the Parquet columns. An optional column is NULL where the
// Go value is the zero value or a nil pointer; a number for which zero is a
// real answer is a pointer.
package athenatrail
