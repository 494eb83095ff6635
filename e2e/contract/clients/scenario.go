// The scenario of generated clients, in Go: create, walk by cursor, change under If-Match, two refusals.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"

	"scenario/client"
)

func must[T any](value T, response any, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func refused(status int, code string, err error) {
	var failure *client.GenericOpenAPIError
	var told struct{ Code string }
	if !errors.As(err, &failure) || json.Unmarshal(failure.Body(), &told) != nil || told.Code != code {
		log.Fatalf("wanted %d %s, found %v", status, code, err)
	}
}

func main() {
	configuration := client.NewConfiguration()
	configuration.Servers = client.ServerConfigurations{{URL: os.Getenv("E2E_SQLITE_URL")}}
	markets := client.NewAPIClient(configuration).MarketsAPI
	keys := map[string]client.APIKey{"apiKey": {Key: os.Getenv("E2E_KEY")}}
	ctx := context.WithValue(context.Background(), client.ContextAPIKeys, keys)

	var made client.MarketCreatedData
	for number := range 3 {
		body := client.NewMarketCreateBody(fmt.Sprintf("go-%d", number), fmt.Sprintf("Gopher asks %d", number))
		body.SetVolume("1.5")
		body.SetTags([]string{"go"})
		made = must(markets.CreateMarket(ctx).MarketCreateBody(*body).Execute()).Data
		if made.Volume != "1.5000" || made.Version != 1 || made.ClosesAt.Get() != nil {
			log.Fatal(made)
		}
	}

	var found []string
	request := markets.ListMarkets(ctx).TitleStartswith("Gopher").Sort([]string{"-title"}).Limit(2)
	for {
		page := must(request.Execute())
		for _, market := range page.Data {
			found = append(found, market.GetSlug())
		}
		if !page.Meta.HasMore {
			break
		}
		request = request.Cursor(page.Meta.GetNextCursor())
	}
	if !slices.Equal(found, []string{"go-2", "go-1", "go-0"}) {
		log.Fatal(found)
	}

	_, response, err := markets.GetMarket(ctx, made.Id).Execute()
	if err != nil {
		log.Fatal(err)
	}
	etag := response.Header.Get("ETag")
	patch := client.NewMarketPatch()
	patch.SetStatus("closed")
	changed := must(markets.UpdateMarket(ctx, made.Id).IfMatch(etag).MarketPatch(*patch).Execute())
	if changed.Data.Version != 2 {
		log.Fatal(changed)
	}
	_, _, err = markets.UpdateMarket(ctx, made.Id).IfMatch(etag).MarketPatch(*patch).Execute()
	refused(412, "PRECONDITION_FAILED", err)
	again := client.NewMarketCreateBody("go-0", "Gopher again")
	_, _, err = markets.CreateMarket(ctx).MarketCreateBody(*again).Execute()
	refused(409, "CONFLICT", err)
}
