package carrier

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/notify"
)

// A topic is one of SNS.
type topic struct {
	arn    string
	client *sns.Client
}

func newTopic(ctx context.Context, arn string, o Options) (*topic, error) {
	parts := strings.Split(arn, ":")
	cfg, err := o.AWS(ctx, parts[3])
	if err != nil {
		return nil, awsconn.Explained(err)
	}
	return &topic{arn, sns.NewFromConfig(cfg)}, nil
}

// Send publishes the letter. Subscriptions may filter by the attribute kind,
// which lists the kinds of the messages.
func (t *topic) Send(ctx context.Context, l *notify.Letter) (string, error) {
	var kinds []string
	for _, k := range l.Kinds {
		kinds = append(kinds, `"`+string(k)+`"`)
	}
	in := &sns.PublishInput{TopicArn: &t.arn, Message: &l.Text}
	if subject := ascii(l.Subject); subject != "" {
		in.Subject = &subject
	}
	if len(kinds) > 0 {
		in.MessageAttributes = map[string]types.MessageAttributeValue{
			"kind": {DataType: aws.String("String.Array"), StringValue: aws.String("[" + strings.Join(kinds, ",") + "]")},
		}
	}
	if _, err := t.client.Publish(ctx, in); err != nil {
		return "", fmt.Errorf("publish to %s: %w", t.arn, awsconn.Explained(err))
	}
	return t.arn, nil
}

// check says who would publish. Nothing tells whether they may but publishing:
// GetTopicAttributes is another permission.
func (t *topic) check(ctx context.Context) (string, error) {
	credentials := t.client.Options().Credentials
	if credentials == nil {
		return "", fmt.Errorf("publish to %s: no credentials", t.arn)
	}
	if _, err := credentials.Retrieve(ctx); err != nil {
		return "", awsconn.Explained(err)
	}
	return "there are credentials; whether they may sns:Publish, athenatrail notify test shows", nil
}

// ascii makes a subject that SNS takes: ASCII that begins with a letter, digit
// or mark, at most 100 characters.
func ascii(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '…':
			return '.'
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, s)
	return strings.TrimSpace(s[:min(len(s), 99)])
}
