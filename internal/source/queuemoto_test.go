package source

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/mototest"
)

// A post is a moto server with a trail's bucket, and queues that hear of it.
type post struct {
	sqs *sqs.Client
	sns *sns.Client
	s3  *s3.Client
}

func newPost(t *testing.T) *post {
	cfg := mototest.Config(mototest.Start(t), "us-east-1")
	p := &post{sqs.NewFromConfig(cfg), sns.NewFromConfig(cfg), NewClient(cfg)}
	if _, err := p.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(fakeBucket)}); err != nil {
		t.Fatal(err)
	}
	return p
}

// queue makes a queue and returns its URL and ARN.
func (p *post) queue(t *testing.T, name string, attributes map[string]string) (url, arn string) {
	t.Helper()
	out, err := p.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl, "arn:aws:sqs:us-east-1:" + mototest.Account + ":" + name
}

// topic makes a topic that a queue hears of, and returns its ARN.
func (p *post) topic(t *testing.T, name, queue string, raw bool) string {
	t.Helper()
	out, err := p.sns.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	in := &sns.SubscribeInput{TopicArn: out.TopicArn, Protocol: aws.String("sqs"), Endpoint: &queue, Attributes: map[string]string{}}
	if raw {
		in.Attributes["RawMessageDelivery"] = "true"
	}
	if _, err := p.sns.Subscribe(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return *out.TopicArn
}

func (p *post) put(t *testing.T, key, body string) {
	t.Helper()
	_, err := p.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(fakeBucket), Key: &key, Body: strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
}

func (p *post) send(t *testing.T, url string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if _, err := p.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *post) source(t *testing.T, url string, change func(*Deps)) *queue {
	t.Helper()
	d := Deps{
		S3:  func(context.Context) (*s3.Client, error) { return p.s3, nil },
		SQS: func(context.Context) (*sqs.Client, error) { return p.sqs, nil },
	}
	if change != nil {
		change(&d)
	}
	q := parse(t, "sqs:"+url, d).(*queue)
	q.empties = 1 // moto is one server: what it does not have, it does not have
	return q
}

// left returns how many messages a queue holds, and how many of them nobody
// has received.
func (p *post) left(t *testing.T, url string) (all, visible int) {
	t.Helper()
	out, err := p.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	hidden := 0
	fmt.Sscan(out.Attributes["ApproximateNumberOfMessages"], &visible)
	fmt.Sscan(out.Attributes["ApproximateNumberOfMessagesNotVisible"], &hidden)
	return visible + hidden, visible
}

func (p *post) wantLeft(t *testing.T, url string, all, visible int) {
	t.Helper()
	if a, v := p.left(t, url); a != all || v != visible {
		t.Errorf("%d messages are left, %d of them visible, want %d and %d", a, v, all, visible)
	}
}

// TestWaysToAQueue: whichever way a log file is announced, it is the object
// that a listing of the bucket has, so that the ledger knows it either way.
func TestWaysToAQueue(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	names := []string{"direct", "topic", "raw-topic", "trail-topic", "trail-raw-topic", "eventbridge"}
	urls := map[string]string{}
	var notify s3types.NotificationConfiguration
	topics := map[string]string{}
	for _, name := range names {
		url, arn := p.queue(t, name, nil)
		urls[name] = url
		created := []s3types.Event{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"}
		switch {
		case name == "direct":
			notify.QueueConfigurations = append(notify.QueueConfigurations, s3types.QueueConfiguration{QueueArn: &arn, Events: created})
		case strings.HasSuffix(name, "topic"):
			topics[name] = p.topic(t, name, arn, strings.Contains(name, "raw"))
			if !strings.HasPrefix(name, "trail") {
				notify.TopicConfigurations = append(notify.TopicConfigurations, s3types.TopicConfiguration{TopicArn: aws.String(topics[name]), Events: created})
			}
		}
	}
	if _, err := p.s3.PutBucketNotificationConfiguration(t.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: aws.String(fakeBucket), NotificationConfiguration: &notify,
	}); err != nil {
		t.Fatal(err)
	}
	if all, _ := p.left(t, urls["direct"]); all != 1 {
		t.Errorf("%d messages: S3 sends one to try a queue", all)
	}
	files := append(slices.Clone(logs), oddKey)
	for _, key := range append(slices.Clone(files), noLogs...) {
		p.put(t, key, "body of "+key)
	}
	p.put(t, tree+"eu-west-1/gone.txt", "")
	if _, err := p.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(fakeBucket), Key: aws.String(tree + "eu-west-1/gone.txt")}); err != nil {
		t.Fatal(err)
	}
	want, _ := list(t, parse(t, "s3://"+fakeBucket, Deps{S3: func(context.Context) (*s3.Client, error) { return p.s3, nil }}), time.Time{}, time.Time{})
	if len(want) != len(files) {
		t.Fatalf("the bucket has %d log files", len(want))
	}
	for _, o := range want {
		key := strings.TrimPrefix(o.Key, "s3://"+fakeBucket+"/")
		keys, _ := json.Marshal([]string{key, noLogs[0]})
		for _, topic := range []string{"trail-topic", "trail-raw-topic"} {
			for _, message := range []string{`{"s3Bucket":"` + fakeBucket + `","s3ObjectKey":` + string(keys) + `}`, "CloudTrail validation message."} {
				if _, err := p.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String(topics[topic]), Message: &message}); err != nil {
					t.Fatal(err)
				}
			}
		}
		quoted, _ := json.Marshal(key)
		p.send(t, urls["eventbridge"], fmt.Sprintf(`{"version":"0","detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":%q},"object":{"key":%s,"size":%d,"etag":%s}}}`,
			fakeBucket, quoted, o.Size, o.ETag))
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := p.source(t, urls[name], nil)
			if n, ok, err := Waiting(t.Context(), q); n < int64(len(files)) || !ok || err != nil {
				t.Errorf("%d messages wait, %v, %v", n, ok, err)
			}
			objects, errs := listQueue(t.Context(), q)
			slices.SortFunc(objects, func(a, b Object) int { return strings.Compare(a.Key, b.Key) })
			if diff := cmp.Diff(want, objects); diff != "" || len(errs) > 0 {
				t.Fatalf("errors %v, objects (-want +got):\n%s", errs, diff)
			}
			for _, o := range objects {
				if got := readAll(t, q, o); o.Key != "s3://"+fakeBucket+"/"+strings.TrimPrefix(got, "body of ") {
					t.Errorf("%s: %q", o.Key, got)
				}
			}
			p.wantLeft(t, urls[name], len(objects), 0) // the others announce nothing, and are gone
			settleAll(t, q, objects, nil)
			p.wantLeft(t, urls[name], 0, 0)
		})
	}
}

// TestQueueOfAServer: many messages in parts, kept while they are read, given
// back, and among the dead letters at last.
func TestQueueOfAServer(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	t.Run("in parts", func(t *testing.T) {
		t.Parallel()
		url, _ := p.queue(t, "parts", nil)
		for n := range 45 {
			p.send(t, url, oneFile(n%40), stateMessage)
		}
		q := p.source(t, url, func(d *Deps) { d.Messages = 32 })
		seen, triggers := map[string]bool{}, 0
		for lists, more := 0, true; more; more = q.More() {
			objects, errs := listQueue(t.Context(), q)
			if lists++; len(errs) > 0 || lists > 4 {
				t.Fatalf("list %d: %v", lists, errs)
			}
			for _, o := range objects {
				seen[o.Key] = true
			}
			settleAll(t, q, objects, nil)
			for _, tr := range q.Triggers() {
				triggers++
				if err := q.Settled(t.Context(), tr, nil); err != nil {
					t.Error(err)
				}
			}
		}
		if len(seen) != 40 || triggers < 3 || triggers > 4 {
			t.Errorf("%d files, %d triggers", len(seen), triggers)
		}
		p.wantLeft(t, url, 0, 0)
	})
	t.Run("kept, and lost when the program ends", func(t *testing.T) {
		t.Parallel()
		url, _ := p.queue(t, "kept", nil)
		p.send(t, url, oneFile(1), oneFile(2))
		life, end := context.WithCancel(t.Context())
		d := Deps{
			S3:  func(context.Context) (*s3.Client, error) { return p.s3, nil },
			SQS: func(context.Context) (*sqs.Client, error) { return p.sqs, nil },
		}
		s, err := Parse(life, "sqs:"+url, d)
		if err != nil {
			t.Fatal(err)
		}
		q := s.(*queue)
		q.visibility = 4 * time.Second
		if objects, errs := listQueue(t.Context(), q); len(objects) != 2 || len(errs) > 0 {
			t.Fatalf("%v, %v", objects, errs)
		}
		for begun := time.Now(); time.Since(begun) < 5*time.Second; time.Sleep(200 * time.Millisecond) {
			p.wantLeft(t, url, 2, 0)
		}
		end()
		next := p.source(t, url, nil)
		deadline := time.Now().Add(30 * time.Second)
		p.put(t, fileKey(1), "one")
		p.put(t, fileKey(2), "two")
		var objects []Object
		for len(objects) < 2 && time.Now().Before(deadline) {
			found, errs := listQueue(t.Context(), next)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			objects = append(objects, found...)
		}
		if len(objects) < 2 || objects[0].Size != 3 {
			t.Fatalf("objects %+v", objects)
		}
		settleAll(t, next, objects, nil)
		p.wantLeft(t, url, 0, 0)
	})
	t.Run("dead letters", func(t *testing.T) {
		t.Parallel()
		deadURL, dead := p.queue(t, "dead", nil)
		url, _ := p.queue(t, "living", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + dead + `","maxReceiveCount":"2"}`})
		gone := tree + "eu-west-1/2026/11/03/gone.json.gz"
		p.send(t, url, "poison", `{"s3Bucket":"`+fakeBucket+`","s3ObjectKey":["`+gone+`","`+fileKey(1)+`"]}`)
		p.put(t, fileKey(1), "one")
		q := p.source(t, url, nil)
		q.pause = func(int) time.Duration { return time.Second }
		var said []string
		for range 3 {
			objects, errs := listQueue(t.Context(), q)
			for _, err := range errs {
				said = append(said, err.Error())
			}
			settleAll(t, q, objects, nil)
			time.Sleep(1100 * time.Millisecond)
		}
		all := strings.Join(said, "\n")
		if strings.Count(all, `not a JSON object: "poison"`) != 1 || strings.Count(all, "read s3://"+fakeBucket+"/"+gone+": it does not exist (NotFound)") != 2 || len(said) != 3 {
			t.Errorf("errors\n%s", all)
		}
		p.wantLeft(t, url, 0, 0)
		p.wantLeft(t, deadURL, 2, 2)
	})
	t.Run("no queue", func(t *testing.T) {
		t.Parallel()
		url, _ := p.queue(t, "none", nil)
		_, errs := listQueue(t.Context(), p.source(t, strings.Replace(url, "/none", "/other", 1), nil))
		if len(errs) != 1 || !strings.HasSuffix(errs[0].Error(), "/other: the queue does not exist") {
			t.Errorf("errors %v", errs)
		}
		if _, _, err := Waiting(t.Context(), p.source(t, strings.Replace(url, "/none", "/other", 1), nil)); err == nil {
			t.Error("Waiting has no error")
		}
	})
}
