package source_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/mototest"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/source"
)

// A deaf queue is one whose program is killed once the facts are in place: it
// is told of nothing.
type deaf struct{ source.Queue }

func (deaf) Settle(context.Context, source.Object, error) error { return nil }

// TestKilledBeforeMessagesAreRemoved: a run over a queue that is killed between
// facts and removal, and the run after it, make the lake of a run over the
// bucket; and a run over the bucket leaves a queue nothing to read.
func TestKilledBeforeMessagesAreRemoved(t *testing.T) {
	t.Parallel()
	cfg := mototest.Config(mototest.Start(t), "us-east-1")
	queues, objects := sqs.NewFromConfig(cfg), source.NewClient(cfg)
	deps := source.Deps{
		S3:  func(context.Context) (*s3.Client, error) { return objects, nil },
		SQS: func(context.Context) (*sqs.Client, error) { return queues, nil },
	}
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("trail-files")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("trail-logs")}); err != nil {
		t.Fatal(err)
	}
	const files = 13
	announce := func() {
		for n := range files {
			body := fmt.Sprintf(`{"s3Bucket":"trail-logs","s3ObjectKey":[%q,%q]}`, logFile(n), logFile((n+5)%files))
			if _, err := queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: &body}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := range files {
		body := `{"Records":[` + startOf(n) + `,` + startOf(n+1) + `]}`
		if _, err := objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("trail-logs"), Key: aws.String(logFile(n)), Body: strings.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
	}
	open := func(ctx context.Context, spec string) source.Source {
		s, err := source.Parse(ctx, spec, deps)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	want := func(sum *collect.Summary, read, known int64) {
		t.Helper()
		if sum.Read != read || sum.Known != known || sum.Unread > 0 || len(sum.Problems) > 0 {
			t.Errorf("read %d, knew %d, not %d and %d: %q", sum.Read, sum.Known, read, known, sum.Problems)
		}
	}
	byBucket, byQueue := t.TempDir(), t.TempDir()
	want(runOver(t, byBucket, open(t.Context(), "s3://trail-logs")), files, 0)

	announce()
	life, kill := context.WithCancel(t.Context())
	killed := open(life, "sqs:"+*queue.QueueUrl)
	source.KeepFor(killed, 3*time.Second)
	want(runOver(t, byQueue, deaf{killed.(source.Queue)}), files, 0)
	kill()
	time.Sleep(3500 * time.Millisecond)
	want(runOver(t, byQueue, open(t.Context(), "sqs:"+*queue.QueueUrl)), 0, files)
	if diff := cmp.Diff(tree(t, byBucket), tree(t, byQueue)); diff != "" {
		t.Errorf("lake (-by bucket +by queue):\n%s", diff)
	}

	announce()
	want(runOver(t, byBucket, open(t.Context(), "sqs:"+*queue.QueueUrl)), 0, files)
	left, _, err := source.Waiting(t.Context(), open(t.Context(), "sqs:"+*queue.QueueUrl))
	if err != nil || left > 0 {
		t.Errorf("%d messages wait, %v", left, err)
	}
}

func logFile(n int) string {
	return fmt.Sprintf("AWSLogs/111122223333/CloudTrail/eu-west-1/2026/05/04/111122223333_CloudTrail_eu-west-1_20260504T00%02dZ_%016d.json.gz", n, n)
}

func startOf(n int) string {
	return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"AIDA","arn":"arn:aws:iam::111122223333:user/rosa","accountId":"111122223333","userName":"rosa"},"eventTime":"2026-05-04T00:%02d:00Z","eventSource":"athena.amazonaws.com","eventName":"StartQueryExecution","awsRegion":"eu-west-1","userAgent":"x","requestParameters":{"workGroup":"w"},"responseElements":{"queryExecutionId":"11111111-2222-4333-8444-5555555555%02d"},"eventID":"e-%d","recipientAccountId":"111122223333"}`, n, n, n)
}

var runNumber int

// runOver does one run into the lake in a folder.
func runOver(t *testing.T, dir string, s source.Source) *collect.Summary {
	t.Helper()
	store, err := lake.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	prices, err := price.NewTable(price.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	who, err := identity.NewSettings(identity.SettingsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	runNumber++
	sum, err := collect.Run(t.Context(), collect.Options{
		Lake: l, Ledger: ledger.New(l), Sources: []source.Source{s}, Settings: &derive.Settings{Identity: who, Prices: prices},
		Jobs: 2, Limits: cloudtrail.DefaultLimits, Now: time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC), RunID: fmt.Sprintf("run-%d", runNumber),
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// tree returns the facts, the tables and the ledger's rows of log files.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(name, "facts/") && !strings.HasPrefix(name, "tables/") && !strings.HasPrefix(name, "_ledger/v1/111122223333/") {
			return err
		}
		body, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		files[name] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 3 {
		t.Fatalf("%d files", len(files))
	}
	return files
}
