package setup

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/notify"
	"github.com/athenatrail/athenatrail/internal/notify/carrier"
)

// Notifier returns what sends messages on the configuration's channels, and
// notes in a lake which. Without channels it sends nothing.
func (e *Env) Notifier(ctx context.Context, l *lake.Lake) (*notify.Dispatcher, error) {
	var posts []*notify.Post
	for _, c := range e.Notify {
		p, err := carrier.Post(ctx, c, e.Carrier())
		if err != nil {
			return nil, asUsage(err)
		}
		posts = append(posts, p)
	}
	return notify.New(l, posts, e.Timezone), nil
}

// Carrier returns what channels need of the program to send.
func (e *Env) Carrier() carrier.Options {
	return carrier.Options{
		Secret: func(ctx context.Context, s notify.Secret) (string, error) {
			return e.Secret(ctx, s, e.UserAgent)
		},
		AWS: func(ctx context.Context, region string) (aws.Config, error) {
			conn, err := e.AWS(ctx)
			if err != nil {
				return aws.Config{}, err
			}
			return conn.Config(ctx, "", region)
		},
	}
}
