package install

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/oidc/ephemeral"
)

// What the store for what may be lost is called is kept in it under KeptName; which one
// the nodes use, in the database's setting KeptSetting.
const (
	KeptName    = "store.name"
	KeptSetting = "ephemeral.store"
	keptLife    = 10 * 365 * 24 * time.Hour
)

// StoreName returns the store's name, and makes one up if it has none.
func StoreName(ctx context.Context, kept ephemeral.Store) (string, error) {
	for range 3 {
		now := time.Now()
		name, err := kept.Load(ctx, KeptName, now)
		if err == nil {
			return string(name), nil
		}
		if !errors.Is(err, ephemeral.ErrGone) {
			return "", err
		}
		// Two that find none both write, and both read what the second one wrote.
		k := ephemeral.Keeping{Part: ephemeral.PartReserved, Until: now.Add(keptLife)}
		if err := kept.Put(ctx, KeptName, []byte(rand.Text()), k, now); err != nil {
			return "", err
		}
	}
	return "", texts.Refuse("kept.forgets")
}
