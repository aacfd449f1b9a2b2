package main

import "context"

// upgrade gives the records of an earlier version their authenticators, once. It can
// be cut off: the next start goes on.
func (in *installation) upgrade(ctx context.Context) error {
	if !in.keys.Upgrading() {
		return nil
	}
	in.log.Warn("the database is of a version before records were authenticated: they get their authenticators now")
	store := in.db.Admin()
	for _, step := range []func() error{
		func() error { return in.keys.UpgradeKeys(ctx, store) },
		func() error { return in.provider.Upgrade(ctx, store, in.db.Provider()) },
		func() error { return in.people.Upgrade(ctx, store) },
		func() error { return in.registry.Upgrade(ctx, store) },
		in.keys.Upgraded,
	} {
		if err := step(); err != nil {
			return refuse("upgrade.cut", err)
		}
	}
	in.log.Warn("every record has its authenticator: from here on those without one are refused")
	return nil
}
