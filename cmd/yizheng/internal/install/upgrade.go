package install

import (
	"context"

	"yizheng.internal/cmd/yizheng/internal/texts"
)

// Upgrade gives the records of an earlier version their authenticators, once. It can
// be cut off: the next start goes on.
func (in *Installation) Upgrade(ctx context.Context) error {
	if !in.Keys.Upgrading() {
		return in.upgradeEntries(ctx)
	}
	in.Log.Warn("the database is of a version before records were authenticated: they get their authenticators now")
	store := in.DB.Admin()
	for _, step := range []func() error{
		func() error { return in.Keys.UpgradeKeys(ctx, store) },
		func() error { return in.Provider.Upgrade(ctx, store, in.DB.Provider()) },
		func() error { return in.People.Upgrade(ctx, store) },
		func() error { return in.Library.Upgrade(ctx, store) },
		in.Keys.Upgraded,
	} {
		if err := step(); err != nil {
			return texts.Refuse("upgrade.cut", err)
		}
	}
	in.Log.Warn("every record has its authenticator: from here on those without one are refused")
	return in.upgradeEntries(ctx)
}

// upgradeEntries does the same for entries of status lists, which had none for longer.
func (in *Installation) upgradeEntries(ctx context.Context) error {
	if err := in.Library.Lists().Upgrade(ctx); err != nil {
		return texts.Refuse("upgrade.cut", err)
	}
	return nil
}
