package directory

import (
	"io"
	"net/http"
	"testing"
)

type endlessServer struct{}

func (endlessServer) Do(*http.Request) (*http.Response, error) {
	return &http.Response{Body: io.NopCloser(endless{})}, nil
}

func TestRepliesAreBounded(t *testing.T) {
	response, err := boundedClient{endlessServer{}}.Do(nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, response.Body); n != maxReply || err != nil {
		t.Errorf("read %d bytes, %v, want %d", n, err, maxReply)
	}
}
