// Charts that Bokeh draws from the JSON beside them, when they come near the window.
"use strict";
const Charts = (() => {
  const draw = async (place) => {
    if (place.dataset.drawn !== undefined) return;
    place.dataset.drawn = "";
    const item = JSON.parse(place.querySelector("script").textContent);
    await Bokeh.embed.embed_item(item, place);
  };
  const drawIn = (root) => Promise.all([...root.querySelectorAll(".chart")].map(draw));
  return { draw, drawIn };
})();
