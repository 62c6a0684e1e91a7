package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/athenatrail/athenatrail/internal/awsconn"
)

// inTime runs a test whose hours pass at once.
func inTime(t *testing.T, test func(t *testing.T, ctx context.Context)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		test(t, ctx)
	})
}

func settleAll(t testing.TB, q Queue, objects []Object, err error) {
	t.Helper()
	for _, o := range objects {
		if err := q.Settle(t.Context(), o, err); err != nil {
			t.Error(err)
		}
	}
}

func wantLeft(t testing.TB, f *fakeSQS, all, visible int) {
	t.Helper()
	if a, v := f.left(); a != all || v != visible {
		t.Errorf("%d messages are left, %d of them visible, want %d and %d", a, v, all, visible)
	}
}

// TestQueueIsAskedWhereItIs: region and host are the URL's, not the client's.
func TestQueueIsAskedWhereItIs(t *testing.T) {
	for spec, want := range map[string]string{
		fakeQueueURL: "https://sqs.eu-west-1.amazonaws.com eu-west-1",
		"arn:aws:sqs:ap-south-1:111122223333:trail-files":                                "https://sqs.ap-south-1.amazonaws.com ap-south-1",
		"https://vpce-0a-b.sqs.eu-central-1.vpce.amazonaws.com/111122223333/trail-files": "https://vpce-0a-b.sqs.eu-central-1.vpce.amazonaws.com eu-central-1",
		"http://127.0.0.1:5000/111122223333/trail-files":                                 "http://127.0.0.1:5000 us-east-1",
	} {
		f := &fakeSQS{fail: func(string, int) (int, string) { return 200, `{}` }}
		s := parse(t, "sqs:"+spec, Deps{SQS: f.client, S3: newFakeS3(t, nil).client})
		if objects, errs := listQueue(t.Context(), s); len(objects)+len(errs) > 0 {
			t.Errorf("%s: %v, %v", spec, objects, errs)
		}
		if got := f.hosts[0] + " " + strings.TrimSuffix(f.scopes[0], "/sqs/aws4_request"); got != want {
			t.Errorf("%s: asked at %s, want %s", spec, got, want)
		}
		if s.Name() != "sqs:"+spec {
			t.Errorf("name %s", s.Name())
		}
	}
}

// TestQueueIsEmptied: every file once, messages removed ten at a time and none
// before all that it announces is settled, also when several announce one file.
func TestQueueIsEmptied(t *testing.T) {
	inTime(t, func(t *testing.T, ctx context.Context) {
		f := &fakeSQS{}
		for n := range 23 {
			f.send(oneFile(n))
		}
		f.send(someFiles(20, 5), oneFile(3), testMessage, inSNS(oneFile(4)))
		q := f.source(t, ctx, nil)
		objects, errs := listQueue(ctx, q)
		if len(objects) != 25 || len(errs) > 0 || q.More() {
			t.Fatalf("%d objects, errors %v, more %v", len(objects), errs, q.More())
		}
		wantLeft(t, f, 26, 0) // the test is gone
		settleAll(t, q, objects[:20], nil)
		wantLeft(t, f, 6, 0)
		settleAll(t, q, objects[20:24], nil)
		wantLeft(t, f, 6, 0)
		settleAll(t, q, objects[24:], nil)
		wantLeft(t, f, 0, 0)
		for _, batch := range f.deletes[1:] {
			if len(batch) < 6 {
				t.Errorf("batches %q", f.deletes)
			}
		}
		settleAll(t, q, objects, nil) // again, which means nothing
	})
}

// TestQueueIsReadInParts: a List holds so much at most, and More tells.
func TestQueueIsReadInParts(t *testing.T) {
	inTime(t, func(t *testing.T, ctx context.Context) {
		f := &fakeSQS{}
		for n := range 57 {
			f.send(oneFile(n))
		}
		q := f.source(t, ctx, func(d *Deps) { d.Messages = 25 })
		var seen []string
		for lists, more := 0, true; more; lists++ {
			objects, errs := listQueue(ctx, q)
			if len(objects) > 25 || len(errs) > 0 || lists > 3 {
				t.Fatalf("list %d: %d objects, %v", lists, len(objects), errs)
			}
			for _, o := range objects {
				seen = append(seen, o.Key)
			}
			settleAll(t, q, objects, nil)
			more = q.More()
		}
		slices.Sort(seen)
		if len(seen) != 57 || len(slices.Compact(seen)) != 57 {
			t.Errorf("%d files, %d of them different", len(seen), len(slices.Compact(seen)))
		}
		wantLeft(t, f, 0, 0)
	})
}

// TestMessagesOfManyObjects: what is held is bounded by the objects too.
func TestMessagesOfManyObjects(t *testing.T) {
	inTime(t, func(t *testing.T, ctx context.Context) {
		f := &fakeSQS{}
		for n := range 25 {
			f.send(someFiles(1000*n, 1000))
		}
		q := f.source(t, ctx, nil)
		objects, errs := listQueue(ctx, q)
		if len(objects) != 10_000 || len(errs) > 0 || !q.More() {
			t.Errorf("%d objects, errors %v, more %v", len(objects), errs, q.More())
		}
	})
}

// TestQueueHeartbeat: what takes hours is kept from others until it is
// settled, and no longer; a program that ended keeps nothing.
func TestQueueHeartbeat(t *testing.T) {
	inTime(t, func(t *testing.T, ctx context.Context) {
		f := &fakeSQS{}
		for n := range 12 {
			f.send(oneFile(n))
		}
		q := f.source(t, ctx, nil)
		listing, done := context.WithCancel(ctx)
		objects, _ := listQueue(listing, q)
		done() // as that of a run's listing is, before all is stored
		for range 3 * 60 {
			time.Sleep(time.Minute)
			wantLeft(t, f, 12, 0)
		}
		if n := f.calls("ChangeMessageVisibilityBatch"); n < 3*60/5*2 || n > 3*60/2*2 {
			t.Errorf("%d calls to keep 12 messages for 3 hours", n)
		}
		settleAll(t, q, objects[:7], nil)
		time.Sleep(3 * time.Minute) // too few for a batch: the beat removes them
		wantLeft(t, f, 5, 0)
		settleAll(t, q, objects[7:], nil)
		wantLeft(t, f, 0, 0)
		before := f.calls("ChangeMessageVisibilityBatch")
		time.Sleep(time.Hour)
		if n := f.calls("ChangeMessageVisibilityBatch"); n != before {
			t.Errorf("%d calls when nothing was held", n-before)
		}

		f.send(oneFile(1))
		life, end := context.WithCancel(ctx)
		killed := f.source(t, life, nil)
		listQueue(ctx, killed)
		time.Sleep(20 * time.Minute)
		wantLeft(t, f, 1, 0)
		end()
		time.Sleep(5*time.Minute + time.Second)
		wantLeft(t, f, 1, 1)
	})
}

// TestHeartbeatFails: SQS does not keep a message longer than 12 hours, and
// may not answer for a while.
func TestHeartbeatFails(t *testing.T) {
	inTime(t, func(t *testing.T, ctx context.Context) {
		f := &fakeSQS{}
		f.send(oneFile(1), oneFile(2))
		f.refuse = func(operation, id string) (string, bool) {
			if id == "m1" && operation == "ChangeMessageVisibilityBatch" {
				return "InvalidParameterValue", true
			}
			return "", false
		}
		q := f.source(t, ctx, nil)
		objects, _ := listQueue(ctx, q)
		f.mu.Lock()
		f.fail = func(operation string, n int) (int, string) {
			if n == 1 && operation == "ChangeMessageVisibilityBatch" {
				return 403, `{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"no"}`
			}
			return 0, ""
		}
		f.mu.Unlock()
		time.Sleep(30 * time.Minute)
		wantLeft(t, f, 2, 1) // m2 is kept though the first beat failed
		calls := f.calls("ChangeMessageVisibilityBatch")
		if calls > 1+30*60/150 {
			t.Errorf("%d calls: a message that cannot be kept is asked for again", calls)
		}
		err := q.Settle(ctx, objects[0], nil)
		if err == nil || !strings.Contains(err.Error(), "keep messages of queue "+fakeQueueURL+": not allowed to call sqs:ChangeMessageVisibility: no") {
			t.Errorf("error %v", err)
		}
		if err := q.Settle(ctx, objects[1], nil); err != nil {
			t.Errorf("said again: %v", err)
		}
		wantLeft(t, f, 0, 0)
	})
}

// TestMessageIsGivenAgain: one that SQS gives again while it is held is not
// listed again, and removed by its newest receipt.
func TestMessageIsGivenAgain(t *testing.T) {
	inTime(t, func(t *testing.T, ctx context.Context) {
		f := &fakeSQS{}
		f.send(oneFile(1), oneFile(2))
		q := f.source(t, ctx, nil)
		var objects []Object
		for o, err := range q.List(ctx, Bounds{}) {
			if err != nil {
				t.Fatal(err)
			}
			objects = append(objects, o)
			f.mu.Lock()
			if f.messages[0].receives == 1 {
				f.messages[0].visibleAt = time.Time{}
			}
			f.mu.Unlock()
		}
		if len(objects) != 2 || f.messages[0].receives != 2 {
			t.Fatalf("%d objects, received %d times", len(objects), f.messages[0].receives)
		}
		settleAll(t, q, objects, nil)
		wantLeft(t, f, 0, 0)
	})
}

// TestRunThatFailed: what a run left unsettled is listed again by the next,
// without the queue's counting it, and what a program left, by the next one.
func TestRunThatFailed(t *testing.T) {
	inTime(t, func(t *testing.T, ctx context.Context) {
		f := &fakeSQS{}
		f.send(oneFile(2), someFiles(1, 2), stateMessage)
		q := f.source(t, ctx, nil)
		first, _ := listQueue(ctx, q)
		if len(q.Triggers()) != 1 || len(first) != 2 {
			t.Fatalf("%d objects", len(first))
		}
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		if err := q.Settle(cancelled, first[0], cancelled.Err()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		wantLeft(t, f, 3, 0)
		again, errs := listQueue(ctx, q)
		if len(again) != 2 || len(errs) > 0 || again[0].Key != "s3://trail-logs/"+fileKey(1) || again[1] != first[0] {
			t.Fatalf("listed again: %+v, %v", again, errs)
		}
		for _, m := range f.messages {
			if m.receives != 1 {
				t.Errorf("%s was received %d times", m.id, m.receives)
			}
		}
		if got := q.Triggers(); len(got) > 0 {
			t.Errorf("triggers %v of a run that is over", got)
		}
		settleAll(t, q, again, nil)
		time.Sleep(pauseAfter(1) + time.Second)
		wantLeft(t, f, 1, 1) // the trigger's
	})
}

func TestTriggers(t *testing.T) {
	inTime(t, func(t *testing.T, ctx context.Context) {
		f := &fakeSQS{}
		f.send(stateMessage, inSNS(stateMessage), strings.Replace(stateMessage, "012345678901\"", "012345678902\"", 2))
		q := f.source(t, ctx, nil)
		if objects, errs := listQueue(ctx, q); len(objects)+len(errs) > 0 {
			t.Errorf("%v, %v", objects, errs)
		}
		got := q.Triggers()
		if len(got) != 2 || !strings.HasSuffix(got[1].QueryExecutionID, "902") || len(q.Triggers()) > 0 {
			t.Fatalf("triggers %+v", got)
		}
		if err := q.Settled(ctx, got[0], nil); err != nil {
			t.Error(err)
		}
		if err := q.Settled(ctx, got[1], errors.New("throttled")); err != nil {
			t.Error(err)
		}
		wantLeft(t, f, 1, 0)
	})
}

// TestUnreadStaysInTheQueue: a message of which anything was not read comes
// again after a pause that grows, and then S3 is asked what lies there now.
func TestUnreadStaysInTheQueue(t *testing.T) {
	t.Parallel()
	server := newFakeS3(t, map[string][]byte{fileKey(1): []byte("one"), fileKey(2): []byte("two")})
	f := &fakeSQS{}
	f.send(someFiles(1, 3))
	q := f.source(t, t.Context(), func(d *Deps) { d.S3 = server.client })
	q.empties = 1
	objects, _ := listQueue(t.Context(), q)
	if len(objects) != 3 || len(server.asked()) > 0 {
		t.Fatalf("%d objects", len(objects))
	}
	settleAll(t, q, objects[:1], nil)
	settleAll(t, q, objects[1:], ErrChanged)
	if all, visible := f.left(); all != 1 || visible != 0 || !slices.Equal(f.visible, []time.Duration{2 * time.Minute}) {
		t.Errorf("%d messages, %d visible, after %v", all, visible, f.visible)
	}
	f.messages[0].visibleAt = time.Time{}
	objects, errs := listQueue(t.Context(), q)
	if len(objects) != 2 || objects[1].ETag != fakeETag([]byte("two")) || objects[1].Size != 3 {
		t.Errorf("objects %+v", objects)
	}
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "read s3://trail-logs/"+fileKey(3)+": it does not exist") || !strings.Contains(hintOf(errs[0]), "dead letters") {
		t.Errorf("errors %v", errs)
	}
	settleAll(t, q, objects, nil)
	if all, visible := f.left(); all != 1 || visible != 0 || f.visible[1] != 4*time.Minute {
		t.Errorf("%d messages, %d visible, after %v", all, visible, f.visible)
	}
	for n, want := range map[int]time.Duration{0: 2, 1: 2, 2: 4, 5: 32, 6: 60, 1 << 40: 60} {
		if got := pauseAfter(n); got != want*time.Minute {
			t.Errorf("after %d receives: %v", n, got)
		}
	}
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// TestPoison: a message that says nothing is named once, stays in the queue,
// and keeps nothing from being read.
func TestPoison(t *testing.T) {
	inTime(t, func(t *testing.T, ctx context.Context) {
		f := &fakeSQS{}
		for n := range 30 {
			f.send(oneFile(n), "poison \x1b[31m"+strings.Repeat("y", 1000))
		}
		q := f.source(t, ctx, nil)
		objects, errs := listQueue(ctx, q)
		if len(objects) != 30 || len(errs) != 30 {
			t.Fatalf("%d objects, %d errors", len(objects), len(errs))
		}
		text := errs[0].Error()
		if !strings.HasPrefix(text, `message "m2" of queue `+fakeQueueURL+`: not a JSON object: "poison  [31myyy`) || len(text) > 300 {
			t.Errorf("error %s", text)
		}
		if !errors.Is(errs[0], ErrUnread) || !strings.Contains(hintOf(errs[0]), "redrive policy") {
			t.Errorf("hint %s", hintOf(errs[0]))
		}
		settleAll(t, q, objects, nil)
		wantLeft(t, f, 30, 0)
		time.Sleep(time.Hour)
		wantLeft(t, f, 30, 30)
		begun := time.Now()
		if objects, errs = listQueue(ctx, q); len(objects)+len(errs) > 0 || q.More() || time.Since(begun) > 5*time.Second {
			t.Errorf("named again: %v, %v", errs, q.More())
		}
		wantLeft(t, f, 30, 0)
		if _, errs = listQueue(ctx, f.source(t, ctx, nil)); len(errs) > 0 {
			t.Errorf("another program received what was to pause: %v", errs)
		}
	})
}

func TestPoisonIsRememberedUpToABound(t *testing.T) {
	h := newHolding()
	for n := range 2 * remembered {
		if !h.isNew(fmt.Sprint(n)) {
			t.Fatal(n)
		}
	}
	if len(h.unread) != remembered || len(h.unreadIn) != remembered || h.isNew(fmt.Sprint(2*remembered-1)) || !h.isNew("0") {
		t.Errorf("%d remembered", len(h.unread))
	}
}

// TestBatchesThatFailInPart: what SQS could not do is tried again, what is no
// longer ours is left, and the rest is said.
func TestBatchesThatFailInPart(t *testing.T) {
	inTime(t, func(t *testing.T, ctx context.Context) {
		f := &fakeSQS{}
		for n := range 10 {
			f.send(oneFile(n))
		}
		tries := map[string]int{}
		f.refuse = func(operation, id string) (string, bool) {
			tries[id]++
			switch {
			case id == "m3" && tries[id] < 3, id == "m4":
				return "InternalError", false
			case id == "m5":
				return "ReceiptHandleIsInvalid", true
			case id == "m6":
				return "InvalidSecurity", true
			}
			return "", false
		}
		q := f.source(t, ctx, nil)
		objects, _ := listQueue(ctx, q)
		settleAll(t, q, objects[:9], nil)
		err := q.Settle(ctx, objects[9], nil)
		if err == nil || strings.Count(err.Error(), "\n") != 1 || !strings.Contains(err.Error(), `remove messages of queue `+fakeQueueURL+`: "InvalidSecurity": "refused"`) ||
			!strings.Contains(err.Error(), "InternalError") {
			t.Errorf("error %v", err)
		}
		wantLeft(t, f, 3, 0)
		if tries["m1"] != 1 || tries["m3"] != 3 || tries["m4"] != 3 || tries["m5"] != 1 || tries["m6"] != 1 {
			t.Errorf("tries %v", tries)
		}
		time.Sleep(6 * time.Minute)
		wantLeft(t, f, 3, 3) // nobody keeps them: they come again
	})
}

func TestQueueMistakes(t *testing.T) {
	t.Parallel()
	denied := func(of string) func(string, int) (int, string) {
		return func(operation string, _ int) (int, string) {
			if operation != of {
				return 0, ""
			}
			return http.StatusForbidden, `{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"User: arn:aws:iam::111122223333:user/ana is not authorized"}`
		}
	}
	list := func(f *fakeSQS, spec string) (errs []error) {
		q := parse(t, "sqs:"+spec, Deps{SQS: f.client, S3: newFakeS3(t, nil).client})
		objects, errs := listQueue(t.Context(), q)
		for _, o := range objects {
			if err := q.(Queue).Settle(t.Context(), o, nil); err != nil {
				errs = append(errs, err)
			}
		}
		return errs
	}
	for _, tt := range []struct {
		name, spec, want, hint string
		fail                   func(string, int) (int, string)
	}{
		{"no queue", strings.Replace(fakeQueueURL, "trail-files", "other", 1), "receive from queue https://sqs.eu-west-1.amazonaws.com/111122223333/other: the queue does not exist", "check its URL", nil},
		{"not allowed to receive", fakeQueueURL, "not allowed to call sqs:ReceiveMessage: User: arn:aws:iam::111122223333:user/ana", "deploy/policy/queue.json", denied("ReceiveMessage")},
		{"not allowed to delete", fakeQueueURL, "remove messages of queue " + fakeQueueURL + ": not allowed to call sqs:DeleteMessage: ", "deploy/policy/queue.json", denied("DeleteMessageBatch")},
	} {
		f := &fakeSQS{fail: tt.fail}
		for n := range 35 {
			f.send(oneFile(n))
		}
		errs := list(f, tt.spec)
		if len(errs) != 1 || errors.Is(errs[0], ErrUnread) || !strings.Contains(errs[0].Error(), tt.want) || !strings.Contains(hintOf(errs[0]), tt.hint) {
			t.Errorf("%s: %v (%s), want %s once", tt.name, errs, hintOf(errors.Join(errs...)), tt.want)
		}
	}
	noClient := Deps{S3: newFakeS3(t, nil).client, SQS: (&fakeSQS{}).client}
	q := parse(t, "sqs:"+fakeQueueURL, noClient)
	for _, key := range []string{"-", "/etc/passwd", "s3://trail-logs", "s3://trail-logs/", "s3://../x"} {
		if _, err := q.Open(t.Context(), Object{Key: key}); err == nil || !strings.Contains(err.Error(), "not an object of S3") {
			t.Errorf("open %s: %v", key, err)
		}
	}
	if _, ok, err := Waiting(t.Context(), parse(t, t.TempDir(), Deps{})); ok || err != nil {
		t.Errorf("a folder waits: %v", err)
	}
	if IsFinite(q) {
		t.Error("a queue is finite")
	}
}

// TestHeadIsDenied: S3 does not say whether what it does not show is there.
func TestHeadIsDenied(t *testing.T) {
	t.Parallel()
	server := newFakeS3(t, nil)
	server.fail = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	f := &fakeSQS{}
	f.send(trailMessage)
	q := f.source(t, t.Context(), func(d *Deps) { d.S3 = server.client })
	q.empties = 1
	_, errs := listQueue(t.Context(), q)
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "read s3://trail-logs/"+oddKey+": not allowed to call s3:GetObject") ||
		!awsconn.Denied(errs[0]) || !errors.Is(errs[0], ErrUnread) || !strings.Contains(hintOf(errs[0]), "queue.json") {
		t.Errorf("errors %v", errs)
	}
	wantLeft(t, f, 1, 0)
}

func TestListEndsEarly(t *testing.T) {
	inTime(t, func(t *testing.T, ctx context.Context) {
		f := &fakeSQS{}
		for n := range 40 {
			f.send(oneFile(n), testMessage, "poison")
		}
		q := f.source(t, ctx, nil)
		for range q.List(ctx, Bounds{}) {
			break
		}
		for _, err := range q.List(ctx, Bounds{}) {
			if err != nil {
				break
			}
		}
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		if _, errs := listQueue(cancelled, q); len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
			t.Errorf("a cancelled listing: %v", errs)
		}
		objects, _ := listQueue(ctx, q)
		seen := map[string]bool{}
		for _, o := range objects {
			seen[o.Key] = true
		}
		if len(seen) != 40 || len(objects) != 40 {
			t.Errorf("%d objects, %d different", len(objects), len(seen))
		}
		settleAll(t, q, objects, nil)
		wantLeft(t, f, 40, 0)
	})
}

// TestQueueAtOnce settles from many goroutines while the queue is listed.
func TestQueueAtOnce(t *testing.T) {
	t.Parallel()
	f := &fakeSQS{}
	for n := range 300 {
		f.send(someFiles(n, 3))
	}
	q := f.source(t, t.Context(), func(d *Deps) { d.Messages = 100 })
	q.visibility = 50 * time.Millisecond // a receive keeps for no time at all: SQS counts seconds
	settled := map[string]int{}
	var mu sync.Mutex
	for more := true; more; more = q.More() {
		jobs := make(chan Object)
		var workers sync.WaitGroup
		for range 8 {
			workers.Go(func() {
				for o := range jobs {
					if err := q.Settle(t.Context(), o, nil); err != nil {
						t.Error(err)
					}
					mu.Lock()
					settled[o.Key]++
					mu.Unlock()
					q.More()
					q.Triggers()
				}
			})
		}
		for o, err := range q.List(t.Context(), Bounds{}) {
			if err != nil && !strings.Contains(err.Error(), "no S3") { // given again
				t.Error(err)
			}
			if err == nil {
				jobs <- o
			}
		}
		close(jobs)
		workers.Wait()
	}
	if len(settled) != 302 {
		t.Errorf("%d files were settled", len(settled))
	}
}
