package doctor

import (
	"context"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
)

// catalogCodes looks for entries whose codes begin with another body's code that isn't
// delegated to their owner, or no longer is. The owner can use such an entry, but can't change
// it.
func (e *examination) catalogCodes(ctx context.Context, in *install.Installation) {
	const about = "catalog"
	names := in.Owners()
	look := func(kind, code, owner string) error {
		prefix := entry.CodePrefix(code)
		if prefix == "" {
			return nil
		}
		n, err := names.Of(ctx, owner)
		if err != nil {
			return err
		}
		holds, err := in.Library.Catalog().Delegations().Holds(ctx, entry.Definer{ID: n.ID, USCC: n.USCC}, code)
		if err == nil && !holds {
			e.warn(about, e.words.Say("doctor.delegate.todo", n.ID, prefix),
				"doctor.delegate", texts.WordOf("kind", kind), code)
		}
		return err
	}
	types := func() error {
		return command.Every(func(last catalog.Type) ([]catalog.Type, error) {
			return in.Library.Catalog().Types().List(ctx, last.Code, command.PageSize)
		},
			func(t catalog.Type) error { return look("type", string(t.Code), t.Owner) })
	}
	items := func() error {
		return command.Every(func(last catalog.ServiceItem) ([]catalog.ServiceItem, error) {
			return in.Library.Catalog().Items().List(ctx, last.Code, command.PageSize)
		}, func(i catalog.ServiceItem) error { return look("item", string(i.Code), i.Owner) })
	}
	for _, all := range []func() error{types, items} {
		if err := all(); err != nil {
			e.fail(about, "", "%v", err)
			return
		}
	}
}
