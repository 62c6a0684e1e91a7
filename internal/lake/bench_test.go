package lake_test

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// someEvents makes events of about 1.3 KB, as alike and as different as those
// of a trail.
func someEvents(n int) []athenatrail.Event {
	r := rand.New(rand.NewSource(1))
	id := func() string {
		return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", r.Uint32(), r.Intn(1<<16), r.Intn(1<<16), r.Intn(1<<16), r.Int63n(1<<48))
	}
	const record = `{"awsRegion":"eu-west-1","eventCategory":"Management","eventID":"%s","eventName":"StartQueryExecution",` +
		`"eventSource":"athena.amazonaws.com","eventTime":"2024-05-13T12:00:00Z","eventType":"AwsApiCall","eventVersion":"1.09",` +
		`"managementEvent":true,"readOnly":false,"recipientAccountId":"111122223333","requestID":"%s","requestParameters":{` +
		`"clientRequestToken":"%s","queryExecutionContext":{"catalog":"awsdatacatalog","database":"sales_%d"},"queryString":"***OMITTED***",` +
		`"resultConfiguration":{"outputLocation":"s3://athena-results-111122223333/some/folder/%d/"},"workGroup":"analytics_%d"},` +
		`"responseElements":{"queryExecutionId":"%s"},"sourceIPAddress":"203.0.113.%d","userAgent":"Boto3/1.34.51 md/Botocore#1.34.51 ` +
		`ua/2.0 os/linux md/arch#x86_64 lang/python#3.11.8","userIdentity":{"accountId":"111122223333","arn":"arn:aws:sts::111122223333:` +
		`assumed-role/analyst/person.%d@example.com","sessionContext":{"attributes":{"creationDate":"2024-05-13T%02d:12:11Z"}},"type":"AssumedRole"}}`
	events := make([]athenatrail.Event, n)
	for i := range events {
		event, query := id(), id()
		events[i] = athenatrail.Event{
			Home: home, ID: event, QueryExecutionID: query, Time: noon, Name: "StartQueryExecution", AccessKeyHash: athenatrail.HashAccessKey(id()),
			Record: fmt.Sprintf(record, event, id(), id(), r.Intn(20), r.Intn(100), r.Intn(9), query, r.Intn(255), r.Intn(300), r.Intn(24)),
		}
	}
	return events
}

func recordBytes(events []athenatrail.Event) (n int64) {
	for i := range events {
		n += int64(len(events[i].Record))
	}
	return n
}

// BenchmarkMergeNew stores the events of a busy day at once.
func BenchmarkMergeNew(b *testing.B) {
	events := someEvents(72_000)
	b.SetBytes(recordBytes(events))
	b.ReportAllocs()
	for b.Loop() {
		store := newMemory()
		if n, err := lake.Merge(b.Context(), createLake(b, store), lake.Events, home, events); n != len(events) || err != nil {
			b.Fatal(n, err)
		}
		b.ReportMetric(float64(len(store.files[eventsKey]))/1e6, "MB/file")
	}
}

// BenchmarkMergeInto adds a hundredth to a busy day.
func BenchmarkMergeInto(b *testing.B) {
	events := someEvents(72_000)
	b.SetBytes(recordBytes(events))
	b.ReportAllocs()
	l := createLake(b, newMemory())
	if _, err := lake.Merge(b.Context(), l, lake.Events, home, events); err != nil {
		b.Fatal(err)
	}
	whole, err := l.Read(b.Context(), eventsKey)
	if err != nil {
		b.Fatal(err)
	}
	more := someEvents(72_720)[72_000:]
	for b.Loop() {
		if err := l.Put(b.Context(), eventsKey, whole); err != nil {
			b.Fatal(err)
		}
		if n, err := lake.Merge(b.Context(), l, lake.Events, home, more); n != len(more) || err != nil {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkRead decodes a busy day's events; BenchmarkReadAs their ids alone.
func BenchmarkRead(b *testing.B) { benchmarkRead[athenatrail.Event](b) }

func BenchmarkReadAs(b *testing.B) {
	type ids struct {
		ID               string `parquet:"event_id"`
		QueryExecutionID string `parquet:"query_execution_id,optional"`
	}
	benchmarkRead[ids](b)
}

func benchmarkRead[T any](b *testing.B) {
	events := someEvents(72_000)
	b.SetBytes(recordBytes(events))
	b.ReportAllocs()
	l := createLake(b, newMemory())
	if _, err := lake.Merge(b.Context(), l, lake.Events, home, events); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n := 0
		for _, err := range lake.ReadAs[T](b.Context(), l, lake.Events, home) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != len(events) {
			b.Fatal(n)
		}
	}
}
