package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/athenatrail/athenatrail/internal/awsconn"
)

const (
	// messagesAtOnce is how many messages a List receives at most: they are
	// held until the log files that they announce are in place.
	messagesAtOnce = 500

	// objectsAtOnce is how many log files those may announce together. A
	// message that reaches it is the last.
	objectsAtOnce = 10_000

	// received is how many messages SQS gives, removes or delays at once, at
	// most.
	received = 10

	// visibilityTimeout is for how long SQS keeps a message from others at a
	// time. If the program is killed, messages come back after that.
	visibilityTimeout = 5 * time.Minute

	// patience is how long a receive waits for a message. With any wait at
	// all, SQS asks all of its servers, so that empty means empty ("long
	// polling"); one more empty answer makes sure.
	patience      = time.Second
	emptyReceives = 2

	// remembered is how many messages that say nothing are known again.
	remembered = 10_000
)

// A queue is a queue of SQS whose messages announce log files.
//
// What is received is held, and kept from others by the heartbeat, until all
// that the message announces is settled. Then it is removed; or, where
// something could not be read, given back to come again after a pause, until
// the queue's own rule moves it among the dead letters. So does a message that
// says nothing: it is named, and never removed.
type queue struct {
	spec       string // as the user wrote it
	name       queueName
	jobs       int // calls side by side
	bound      int // messages held
	visibility time.Duration
	empties    int // empty receives that end a List
	pause      func(receives int) time.Duration

	// life is that of the program: a List's context may end before what it
	// listed is in place.
	life context.Context

	sqs func(context.Context) (*sqs.Client, error) // called once
	s3  func(context.Context) (*s3.Client, error)

	holding
}

func newQueue(ctx context.Context, spec string, name queueName, d Deps) *queue {
	return &queue{
		spec: spec, name: name, jobs: max(1, d.Jobs),
		bound:      cmp.Or(max(0, d.Messages), messagesAtOnce),
		visibility: visibilityTimeout,
		empties:    emptyReceives,
		pause:      pauseAfter,
		life:       ctx,
		sqs:        once(d.SQS),
		s3:         once(d.S3),
		holding:    newHolding(),
	}
}

// once returns build, called for the first who asks.
func once[T any](build func(context.Context) (T, error)) func(context.Context) (T, error) {
	var first sync.Once
	var made T
	var err error
	return func(ctx context.Context) (T, error) {
		first.Do(func() { made, err = build(ctx) })
		return made, err
	}
}

func (q *queue) Name() string { return q.spec }

// there sends a call to where the queue is.
func (q *queue) there(o *sqs.Options) {
	if q.name.region != "" {
		o.Region = q.name.region
	}
	if q.name.endpoint != "" {
		o.BaseEndpoint = &q.name.endpoint
	}
}

func (q *queue) fail(doing string, err error) error {
	return fmt.Errorf("%s queue %s: %w", doing, q.name.url, awsconn.Explained(err))
}

// List yields what an earlier List left unsettled, because the run that asked
// for it failed, and then what further messages announce. It ends when the
// queue is empty, or when enough is held. An error that is no ErrUnread is the
// queue's own, and ends it too.
func (q *queue) List(ctx context.Context, _ Bounds) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		left := q.begin()
		defer q.listed()
		defer q.flush(ctx, true)
		for _, o := range left {
			if !yield(o, nil) {
				return
			}
		}
		client, err := q.sqs(ctx)
		if err != nil {
			yield(Object{}, q.fail("receive from", err))
			return
		}
		if err := q.receive(ctx, client, len(left), yield); err != nil && !errors.Is(err, errStopped) {
			yield(Object{}, err)
			return
		} else if err != nil {
			return
		}
		q.flush(ctx, true)
		if err := q.complaint(); err != nil {
			yield(Object{}, err)
		}
	}
}

// errStopped is for a listing whose loop ended early.
var errStopped = errors.New("stopped")

func (q *queue) receive(ctx context.Context, client *sqs.Client, objects int, yield func(Object, error) bool) error {
	for messages, empty := q.held(), 0; ; {
		if messages >= q.bound || objects >= objectsAtOnce {
			q.setMore(true)
			return nil
		}
		out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl:                    &q.name.url,
			MaxNumberOfMessages:         int32(min(received, q.bound-messages)),
			WaitTimeSeconds:             int32(patience / time.Second),
			VisibilityTimeout:           seconds(q.visibility),
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
		}, q.there)
		if err != nil {
			return q.fail("receive from", err)
		}
		if len(out.Messages) == 0 {
			if empty++; empty == q.empties {
				return nil
			}
			continue
		}
		empty = 0
		messages += len(out.Messages)
		found, errs := q.take(ctx, out.Messages)
		objects += len(found)
		for _, err := range errs {
			if !yield(Object{}, err) {
				return errStopped
			}
		}
		for _, o := range found {
			if !yield(o, nil) {
				return errStopped
			}
		}
		q.flush(ctx, false)
	}
}

// take holds messages and returns the log files that they announce and that no
// other message held announces.
func (q *queue) take(ctx context.Context, messages []types.Message) (found []Object, errs []error) {
	for _, got := range messages {
		m := &message{id: aws.ToString(got.MessageId), receipt: aws.ToString(got.ReceiptHandle), until: time.Now().Add(q.visibility)}
		m.receives, _ = strconv.Atoi(got.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
		if !q.hold(m) {
			continue // it is held already
		}
		q.keepBeating()
		a, err := parseMessage(aws.ToString(got.Body))
		if err != nil {
			if q.isNew(m.id) {
				errs = append(errs, &unread{
					fmt.Errorf("message %s of queue %s: %w: %s", excerpt(m.id), q.name.url, err, excerpt(aws.ToString(got.Body))),
					"it stays in the queue; a redrive policy moves it among the dead letters, without one it comes again until it is too old",
				})
			}
			q.done(m, false)
			continue
		}
		objects, failed := q.resolve(ctx, a.objects, m.receives > 1)
		if ctx.Err() == nil {
			errs = append(errs, failed...)
		}
		for _, o := range objects {
			if q.announce(m, thing{key: o.Key, etag: o.ETag}, o) {
				found = append(found, o)
			}
		}
		for _, t := range a.triggers {
			q.announce(m, thing{trigger: t}, Object{})
		}
		q.done(m, len(failed) == 0)
	}
	return found, errs
}

// An unread error is an ErrUnread that says what to do about it.
type unread struct {
	error
	hint string
}

func (e *unread) Is(target error) bool { return target == ErrUnread }
func (e *unread) Unwrap() error        { return e.error }
func (e *unread) Hint() string         { return e.hint }

// Open returns an object of any bucket, as the bucket's source does.
func (q *queue) Open(ctx context.Context, o Object) (io.ReadCloser, error) {
	name, ok := strings.CutPrefix(o.Key, "s3://")
	bucket, key, cut := strings.Cut(name, "/")
	if !ok || !cut || key == "" || !bucketForm.MatchString(bucket) {
		return nil, fmt.Errorf("read %s: not an object of S3", o.Key)
	}
	client, err := q.s3(ctx)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Key, awsconn.Explained(err))
	}
	r := &resuming{ctx: ctx, client: client, bucket: bucket, key: key, object: o}
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}

// resolve returns the log files among announced objects, with size and ETag.
// What a message does not tell is asked of S3; and all of it, if the message
// came before: the object may have been replaced since, or be gone.
func (q *queue) resolve(ctx context.Context, all []announced, again bool) (objects []Object, errs []error) {
	all = slices.DeleteFunc(slices.Clone(all), func(a announced) bool { return !isLog(a.key) })
	type answer struct {
		Object
		err error
	}
	answers := make([]answer, len(all))
	slots := make(chan struct{}, q.jobs)
	var wg sync.WaitGroup
	for i, a := range all {
		if a.etag != "" && a.size >= 0 && !again {
			answers[i].Object = NewObject(a.url(), a.size, a.etag)
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			answers[i].Object, answers[i].err = q.head(ctx, a)
		})
	}
	wg.Wait()
	for _, a := range answers {
		if a.err != nil {
			errs = append(errs, a.err)
			continue
		}
		objects = append(objects, a.Object)
	}
	return objects, errs
}

func (q *queue) head(ctx context.Context, a announced) (Object, error) {
	client, err := q.s3(ctx)
	if err == nil {
		var out *s3.HeadObjectOutput
		out, err = client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &a.bucket, Key: &a.key}, quiet)
		if err == nil {
			size := int64(-1)
			if out.ContentLength != nil {
				size = *out.ContentLength
			}
			return NewObject(a.url(), size, aws.ToString(out.ETag)), nil
		}
	}
	_, hint := awsconn.Explain(err)
	switch {
	case awsconn.Denied(err):
		hint = "attach deploy/policy/queue.json to the user or role that athenatrail runs as; without s3:ListBucket, S3 says the same of objects that are gone"
	case statusOf(err) == http.StatusNotFound:
		hint = "its message comes again, until the queue's redrive policy moves it among the dead letters"
	}
	return Object{}, &unread{fmt.Errorf("read %s: %w", a.url(), awsconn.Explained(err)), hint}
}

// Waiting returns about how many messages wait in a queue, and false for a
// source that is none. It receives none of them, and so suits a dry run.
func Waiting(ctx context.Context, s Source) (messages int64, isQueue bool, err error) {
	q, ok := s.(*queue)
	if !ok {
		return 0, false, nil
	}
	client, err := q.sqs(ctx)
	if err != nil {
		return 0, true, q.fail("look at", err)
	}
	const attribute = types.QueueAttributeNameApproximateNumberOfMessages
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &q.name.url, AttributeNames: []types.QueueAttributeName{attribute},
	}, q.there)
	if err != nil {
		return 0, true, q.fail("look at", err)
	}
	messages, err = strconv.ParseInt(out.Attributes[string(attribute)], 10, 64)
	if err != nil {
		return 0, true, q.fail("look at", fmt.Errorf("%s is %s", attribute, excerpt(out.Attributes[string(attribute)])))
	}
	return messages, true, nil
}
