package lake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
)

// Probe writes and removes a small file below the ledger, to show that the
// lake can be written.
func (l *Lake) Probe(ctx context.Context) error {
	var b [8]byte
	rand.Read(b[:])
	key := "_ledger/v1/probe-" + hex.EncodeToString(b[:])
	return errors.Join(l.Put(ctx, key, []byte("probe")), l.Delete(ctx, key))
}
